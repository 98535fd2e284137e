//! Who may come in, seen from outside: web pages, and peers with and without a token.
#![cfg_attr(not(unix), allow(unused_imports, reason = "some tests need Unix"))]

mod program;

use program::{Ended, Engine, File, Folder, command, knock, run};
use tokio::process::Command;

const PAGE: &str = "https://player.example";
const TOKEN: &str = "d3b07384d113edec49eaa6238ad5ff00";
const DEVICES: &[&str] = &["--use-device-websocket-server", "--device-websocket-server-port", "0"];

/// `buttplug serve` on free ports.
async fn serve(more: &[&str]) -> Engine {
    Engine::start_with(&[&["serve", "--websocket-port", "0"], DEVICES, more].concat()).await
}

/// The program with these settings of its owner.
fn at_home(home: &Folder, arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    for folder in ["XDG_CONFIG_HOME", "HOME", "APPDATA"] {
        command.env(folder, home.name());
    }
    command
}

async fn status(port: u16, origin: &str) -> u16 {
    knock(port, "/", &[("Origin", origin)]).await.0
}

#[tokio::test]
async fn a_page_is_refused_with_what_to_do_and_the_log_names_it() {
    let mut engine = serve(&[]).await;
    for port in [engine.client_port().await, engine.device_port().await] {
        let (status, body) = knock(port, "/", &[("Origin", PAGE)]).await;
        assert_eq!(status, 403, "{body}");
        assert!(
            body.contains(&format!("buttplug allow {PAGE}")) && body.contains("--allow-origin"),
            "{body}"
        );
        // A page learns nothing of this machine's folders.
        assert!(!body.contains("allowed-origins") && !body.contains(engine.home.to_str().unwrap()), "{body}");
        assert_eq!(self::status(port, "null").await, 403);
        assert_eq!(self::status(port, "http://localhost:8080").await, 101);
        assert_eq!(knock(port, "/", &[]).await.0, 101);
    }
    let line = engine.line_with(PAGE).await;
    assert!(line.contains("WARN") && line.contains(&format!("--allow-origin {PAGE}")), "{line}");
    // Whoever is another user than the engine sees which file counts.
    assert!(line.contains(engine.home.to_str().unwrap()) && line.contains("allowed-origins.toml"), "{line}");
}

#[tokio::test]
async fn whoever_types_a_letter_gets_what_serve_would_do() {
    // As earlier engines, which knew no letters, it would be open to the whole network and to any page.
    let Ended { code, stderr, .. } = run(&["-l", "0.0.0.0:0"]).await;
    assert!(code == Some(1) && stderr.contains("--token-file"), "{stderr}");
    let mut engine = Engine::start_with(&[&["-p0"], DEVICES].concat()).await;
    assert_eq!(status(engine.client_port().await, PAGE).await, 403);
    let mut engine = Engine::start_with(&[&["--websocket-port", "0"], DEVICES].concat()).await;
    assert_eq!(status(engine.client_port().await, PAGE).await, 101);
}

#[tokio::test]
async fn pages_that_flags_allow_are_let_in_and_others_are_not() {
    let mut engine = serve(&["--allow-origin", PAGE, "--allow-origin", "https://*.example.org"]).await;
    for port in [engine.client_port().await, engine.device_port().await] {
        assert_eq!(status(port, PAGE).await, 101);
        assert_eq!(status(port, "https://a.example.org").await, 101);
        assert_eq!(status(port, "https://other.example").await, 403);
    }
    let mut engine = serve(&["--allow-origin", "any"]).await;
    assert_eq!(status(engine.client_port().await, "null").await, 101);
    let Ended { code, stderr, .. } = run(&["serve", "--allow-origin", "example.org"]).await;
    assert!(code == Some(1) && stderr.contains("https://"), "{stderr}");
}

#[tokio::test]
async fn what_is_allowed_beside_a_running_engine_holds_at_once_and_until_it_is_taken_back() {
    let home = Folder::new("allow");
    let allow = async |arguments: &[&str]| {
        let output = at_home(&home, &[&["allow"], arguments].concat()).output().await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let mut engine = Engine::of(at_home(&home, &["serve", "--websocket-port", "0"]));
    let port = engine.client_port().await;
    assert_eq!(status(port, PAGE).await, 403);
    assert!(allow(&[PAGE]).await.contains(PAGE));
    assert_eq!(status(port, PAGE).await, 101);
    assert_eq!(allow(&[]).await, format!("{PAGE}\n"));
    allow(&["--revoke", PAGE]).await;
    assert_eq!(status(port, PAGE).await, 403);
    assert_eq!(allow(&[]).await, "");
}

#[tokio::test]
async fn started_as_earlier_engines_were_any_page_is_a_client_but_none_a_device() {
    let mut engine = Engine::start(DEVICES).await;
    assert_eq!(status(engine.client_port().await, PAGE).await, 101);
    let line = engine.line_with(PAGE).await;
    assert!(line.contains("INFO") && line.contains("--allow-origin"), "{line}");
    assert_eq!(status(engine.device_port().await, PAGE).await, 403);
    let mut engine = Engine::start(&["--allow-origin", "https://other.example"]).await;
    assert_eq!(status(engine.client_port().await, PAGE).await, 403);
}

#[cfg(unix)]
#[tokio::test]
async fn with_a_token_both_ports_let_in_only_those_who_know_it_and_nothing_shows_it() {
    let file = File::new("token", &format!("{TOKEN}\n"));
    let mut engine = serve(&["--token-file", file.name(), "--log", "trace"]).await;
    let (bearer, wrong) = (format!("Bearer {TOKEN}"), "Bearer 00000000000000000000000000000000");
    let query = format!("/?token={TOKEN}");
    for port in [engine.client_port().await, engine.device_port().await] {
        let (status, body) = knock(port, "/", &[]).await;
        assert!(status == 401 && body.contains("token"), "{status} {body}");
        assert_eq!(knock(port, "/", &[("Authorization", wrong)]).await.0, 401);
        assert_eq!(knock(port, "/?token=wrong", &[("Origin", "http://localhost")]).await.0, 401);
        assert_eq!(knock(port, "/", &[("Authorization", &bearer)]).await.0, 101);
        assert_eq!(knock(port, &query, &[("Origin", PAGE)]).await.0, 101);
    }
    engine.signal("TERM");
    engine.end().await;
    let shown = engine.lines.iter().find(|line| line.contains(TOKEN) || line.contains("000000000000"));
    assert_eq!(shown, None);
}

#[tokio::test]
async fn the_network_is_let_in_only_with_a_token_or_when_none_is_wanted() {
    let wide = &["--websocket-use-all-interfaces"];
    let Ended { code, stderr, .. } = run(&["serve", "--websocket-use-all-interfaces"]).await;
    assert!(code == Some(1) && stderr.contains("--token-file") && stderr.contains("--no-token"), "{stderr}");
    for more in [&["--no-token"][..], &["--token", TOKEN]] {
        serve(&[wide, more].concat()).await.line_with("listening for clients address=0.0.0.0:").await;
    }
    let mut engine = Engine::start(wide).await;
    engine.line_with("listening for clients address=0.0.0.0:").await;
    let warning = engine.line_with("everybody on the network").await;
    assert!(warning.contains("WARN"), "{warning}");
}
