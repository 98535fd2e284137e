//! Settings from a file and from the environment, seen from outside.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod program;

use program::{Ended, Engine, Folder, command, knock, run};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

const TOKEN: &str = "d3b07384d113edec49eaa6238ad5ff00";
const FREE: &str =
    "websocket-port = 0\nuse-device-websocket-server = true\ndevice-websocket-server-port = 0\n";

/// The program in this environment.
fn within(environment: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    command.envs(environment.iter().copied());
    command
}

async fn ended(mut command: Command) -> Ended {
    let output = timeout(Duration::from_secs(60), command.output()).await;
    let output = output.expect("it ends by itself").expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

async fn server_name(engine: &mut Engine) -> String {
    engine.client().await.handshake().await["ServerName"].as_str().expect("a name").to_owned()
}

#[tokio::test]
async fn the_file_sets_what_neither_flag_nor_environment_says() {
    let folder = Folder::new("settings-order");
    let file = folder.write("config.toml", &format!("{FREE}server-name = \"File\"\nlog = \"debug\"\n"));
    let variable = [("BUTTPLUG_SERVER_NAME", "Variable")];
    for (environment, more, name) in [
        (&[][..], &[][..], "File"),
        (&variable, &[], "Variable"),
        (&variable, &["--server-name", "Flag"], "Flag"),
    ] {
        let arguments = [&["serve", "--config", &file][..], more].concat();
        let mut engine = Engine::of(within(environment, &arguments));
        assert_eq!(server_name(&mut engine).await, name);
        engine.line_with("DEBUG").await;
    }
    let mut engine = Engine::of(within(&[("BUTTPLUG_CONFIG", &file)], &["serve"]));
    assert_eq!(server_name(&mut engine).await, "File");
    // Nobody who passes this flag relies on an earlier engine.
    let mut engine = Engine::of(within(&variable, &["--config", &file]));
    assert_eq!(server_name(&mut engine).await, "Variable");
    let page = [("Origin", "https://page.example")];
    assert_eq!(knock(engine.client_port().await, "/", &page).await.0, 403);
}

#[tokio::test]
async fn what_is_typed_most_has_a_letter() {
    let folder = Folder::new("settings-letters");
    let file = folder.write("config.toml", "max-run = 9\n");
    let token = folder.write("token", TOKEN);
    let letters =
        ["-p5", "-l", "[::1]:6", "-n", "Me", "-r", "7", "-o", "https://a.example", "-t", &token, "-g"];
    let shown = run(&[&["config", "show", "-c", &file][..], &letters].concat()).await;
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    for line in [
        "websocket-port = 5  # flag",
        "websocket-listen-address = \"[::1]:6\"  # flag",
        "server-name = \"Me\"  # flag",
        "rest-api-port = 7  # flag",
        "    \"https://a.example\",  # flag",
        "guard = true  # flag",
        "max-run = 9  # ",
    ] {
        assert!(shown.stdout.contains(line), "{line}: {}", shown.stdout);
    }
    // A path with backslashes stands between other quotation marks.
    let quoted = ['"', '\''].map(|mark| format!("token-file = {mark}{token}{mark}  # flag"));
    assert!(quoted.iter().any(|line| shown.stdout.contains(line)), "{}", shown.stdout);
}

/// Where the folder of settings is known to the tests.
#[cfg(target_os = "linux")]
mod usual {
    use super::*;
    use std::fs;

    /// The program of somebody with this file in its usual place.
    fn at_home(home: &Folder, environment: &[(&str, &str)], arguments: &[&str]) -> Command {
        let mut command = within(environment, arguments);
        for folder in ["XDG_CONFIG_HOME", "HOME"] {
            command.env(folder, home.name());
        }
        command
    }

    fn home(name: &str, file: &str) -> Folder {
        let home = Folder::new(name);
        fs::create_dir(home.path_of("buttplug")).expect("a folder");
        home.write("buttplug/config.toml", file);
        home
    }

    #[tokio::test]
    async fn the_usual_file_is_read_where_serve_is_typed() {
        let home = home("settings-usual", &format!("{FREE}server-name = \"Usual\"\n"));
        let mut engine = Engine::of(at_home(&home, &[], &["serve"]));
        assert_eq!(server_name(&mut engine).await, "Usual");
        let mut engine = Engine::of(at_home(&home, &[], &["serve", "--no-config", "--websocket-port", "0"]));
        assert_eq!(server_name(&mut engine).await, "Buttplug Server");
        let doctor = ended(at_home(&home, &[], &["doctor"])).await;
        assert!(doctor.stdout.contains("device port"), "{}", doctor.stdout);
        assert!(!doctor.stdout.contains("serial"), "the file names one place: {}", doctor.stdout);
    }

    #[tokio::test]
    async fn programs_that_pass_flags_alone_get_what_these_say_whatever_stands_elsewhere() {
        let home = home("settings-implied", "this is no file with settings");
        let environment = [("BUTTPLUG_SERVER_NAME", "Variable"), ("BUTTPLUG_WEBSOCKET_PORT", "nonsense")];
        for more in [&[][..], &["--guard"]] {
            let arguments = [&["--websocket-port", "0"][..], more].concat();
            let mut engine = Engine::of(at_home(&home, &environment, &arguments));
            assert_eq!(server_name(&mut engine).await, "Buttplug Server");
            let page = [("Origin", "https://page.example")];
            assert_eq!(knock(engine.client_port().await, "/", &page).await.0, 101);
        }
        let Ended { code, stderr, .. } = ended(at_home(&home, &[], &["serve"])).await;
        assert!(code == Some(1) && stderr.contains("config.toml:1:"), "{stderr}");
        let Ended { code, .. } = ended(at_home(&home, &[], &["serve", "--version"])).await;
        assert_eq!(code, Some(0), "a question about the program is no matter of settings");
    }

    #[tokio::test]
    async fn an_engine_that_its_guard_starts_again_has_the_settings_of_before() {
        let home = home("settings-guard", &format!("{FREE}guard = true\ntoken = \"{TOKEN}\"\n"));
        let mut guard = Engine::of(at_home(&home, &[("BUTTPLUG_SERVER_NAME", "Guarded")], &["serve"]));
        let id = guard.child.id().expect("running");
        let children = format!("/proc/{id}/task/{id}/children");
        let bearer = format!("Bearer {TOKEN}");
        for round in 0..2 {
            let port = guard.new_client_port().await;
            assert_eq!(knock(port, "/", &[]).await.0, 401, "round {round}");
            assert_eq!(knock(port, "/", &[("Authorization", &bearer)]).await.0, 101, "round {round}");
            let engine = fs::read_to_string(&children).expect("a list").trim().to_owned();
            let seen = fs::read(format!("/proc/{engine}/cmdline")).expect("a command line");
            let seen = String::from_utf8(seen).expect("text");
            assert!(seen.contains("--server-name=Guarded") && !seen.contains(TOKEN), "{seen}");
            if round == 0 {
                home.write("buttplug/config.toml", "half of a new");
                program::signal(engine.parse().expect("one engine"), "KILL");
            }
        }
        guard.signal("TERM");
        assert_eq!(guard.end().await.code(), Some(0));
        assert!(guard.lines.iter().all(|line| !line.contains(TOKEN)), "{:#?}", guard.lines);
    }
}

#[tokio::test]
async fn what_is_wrong_ends_with_1_and_is_named_with_its_place() {
    let folder = Folder::new("settings-wrong");
    let path = folder.path_of("config.toml");
    for (text, reason) in [
        ("guard = ", ":1:9: "),
        ("\nwebsoket-port = 1", ":2: there is no setting `websoket-port`; is `websocket-port` meant?"),
        ("max-run = \"5\"", ":1: `max-run` is a whole number, as in max-run = 1, not text"),
        ("websocket-port = 70000", ":1: `websocket-port`: \"70000\" is of no use: 70000 is not in 0..=65535"),
        ("\n\ntoken = \"short\"", ":3: `token`: a token has 16 to 512"),
        ("no-token = true\ntoken-file = 'x'", "no-token: "),
        ("websocket-port = 1\nwebsocket-listen-address = '127.0.0.1:1'", "websocket-listen-address: "),
    ] {
        folder.write("config.toml", text);
        for command in [&["serve"][..], &["doctor"], &["config", "show"]] {
            // What only the start finds out is nothing to those that do not start.
            if command != ["serve"] && text.contains("127.0.0.1:1") {
                continue;
            }
            let Ended { code, stdout, stderr } = run(&[command, &["--config", &path]].concat()).await;
            assert_eq!(code, Some(1), "{command:?} {text}: {stderr}");
            assert!(stderr.contains(&path) && stderr.contains(reason), "{command:?} {text}: {stderr}");
            assert!(!stderr.contains("short") && !stdout.contains("short"), "{stderr}");
        }
    }
    std::fs::write(&path, [b'#', 0xff]).expect("a writable directory");
    for (file, reason) in [
        (path.as_str(), "not UTF-8"),
        (folder.name(), "can't be read"),
        ("no/such/file.toml", "there is no file"),
    ] {
        for command in
            [within(&[], &["serve", "--config", file]), within(&[("BUTTPLUG_CONFIG", file)], &["serve"])]
        {
            let Ended { code, stderr, .. } = ended(command).await;
            assert_eq!(code, Some(1), "{stderr}");
            assert!(stderr.contains(file) && stderr.contains(reason), "{stderr}");
        }
    }
}

#[tokio::test]
async fn a_bad_variable_ends_with_1_and_a_token_in_one_is_never_seen() {
    let bad = ended(within(&[("BUTTPLUG_MAX_CLIENTS", "many")], &["serve", "--websocket-port", "0"])).await;
    assert!(bad.code == Some(1) && bad.stderr.contains("BUTTPLUG_MAX_CLIENTS: \"many\""), "{}", bad.stderr);
    let bad = ended(within(&[("BUTTPLUG_TOKEN", "hush, hush")], &["serve", "--websocket-port", "0"])).await;
    assert!(bad.code == Some(1) && bad.stderr.contains("BUTTPLUG_TOKEN: "), "{}", bad.stderr);
    assert!(!bad.stderr.contains("hush"), "{}", bad.stderr);

    let variables = [("BUTTPLUG_TOKEN", TOKEN), ("BUTTPLUG_LOG", "trace"), ("BUTTPLUG_LIMITS", "x")];
    let mut engine = Engine::of(within(&variables, &["serve", "--websocket-port", "0", "--use-serial"]));
    let port = engine.client_port().await;
    assert_eq!(knock(port, "/", &[]).await.0, 401);
    assert_eq!(knock(port, &format!("/?token={TOKEN}"), &[]).await.0, 101);
    let shown = ended(within(&variables, &["config", "show"])).await;
    assert_eq!(shown.code, Some(0));
    assert!(shown.stdout.contains("# token is set and not shown  # environment, BUTTPLUG_TOKEN"));
    engine.child.start_kill().expect("running");
    engine.end().await;
    let seen = engine.lines.join("\n") + &engine.stderr().await + &shown.stdout + &shown.stderr;
    assert!(!seen.contains(TOKEN), "{seen}");
}

#[tokio::test]
async fn a_variable_that_is_almost_one_is_a_warning() {
    let variables = [("BUTTPLUG_SERVERNAME", "x")];
    let mut engine = Engine::of(within(&variables, &["serve", "--websocket-port", "0", "--use-serial"]));
    let line = engine.line_with("BUTTPLUG_SERVERNAME").await;
    assert!(line.contains("WARN") && line.contains("is BUTTPLUG_SERVER_NAME meant?"), "{line}");
}

#[tokio::test]
async fn what_is_shown_says_where_it_is_from_and_is_a_file_itself() {
    let folder = Folder::new("settings-show");
    let file = folder.write("config.toml", "server-name = 'Mine'\ntoken-file = 'token'\n");
    let variables = [("BUTTPLUG_MAX_RUN", "60")];
    let show = ["config", "show", "--config", &file, "--websocket-port", "5"];
    let Ended { code, stdout, stderr } = ended(within(&variables, &show)).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let token = folder.path_of("token");
    for line in [
        format!("# The file: {file}"),
        "websocket-port = 5  # flag".into(),
        "max-run = 60  # environment, BUTTPLUG_MAX_RUN".into(),
        format!("server-name = \"Mine\"  # {file}:1"),
        "# max-clients = N  # default: 256, 16 for a repeater".into(),
    ] {
        assert!(stdout.lines().any(|shown| shown == line), "{line} is not in\n{stdout}");
    }
    assert!(stdout.contains(&toml_edit::Value::from(token.as_str()).to_string()), "{stdout}");
    let kept = folder.write("kept.toml", &stdout);
    let again = run(&["config", "show", "--config", &kept]).await;
    let settings = |shown: &str| {
        let lines = shown.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(|line| line.split("  #").next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(settings(&again.stdout), settings(&stdout));
    assert_eq!(settings(&stdout).len(), 4);
}

#[cfg(feature = "shell")]
#[tokio::test]
async fn shells_and_the_manual_know_the_flags() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let Ended { code, stdout, .. } = run(&["completions", shell]).await;
        assert!(code == Some(0) && stdout.contains("websocket-port"), "{shell}");
    }
    assert_eq!(run(&["completions", "tcsh"]).await.code, Some(1));
    let Ended { code, stdout, .. } = run(&["man", "serve"]).await;
    assert!(code == Some(0) && stdout.contains(".TH buttplug-serve 1 "), "{stdout}");
    let Ended { code, stderr, .. } = run(&["man", "serv"]).await;
    assert!(code == Some(1) && stderr.contains("`serv`"), "{stderr}");
    let folder = Folder::new("man");
    assert_eq!(run(&["man", "--output", &folder.path_of("man1")]).await.code, Some(0));
    for page in ["buttplug.1", "buttplug-serve.1", "buttplug-config-show.1"] {
        let text = std::fs::read_to_string(folder.path_of(&format!("man1/{page}")));
        assert!(text.expect("a page").contains(".SH NAME"), "{page}");
    }
    let file = folder.write("file", "");
    let Ended { code, stderr, .. } = run(&["man", "--output", &file]).await;
    assert!(code == Some(1) && stderr.contains(&file), "{stderr}");
}
