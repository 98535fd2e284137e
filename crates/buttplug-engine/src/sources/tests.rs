//! From several sources to what is meant.

use super::*;
use crate::cli::TypedFlags;
use clap::Command;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

const TOKEN: &str = "d3b07384d113edec49eaa6238ad5ff00";

static FILES: AtomicUsize = AtomicUsize::new(0);

/// A file of a test's own, gone with it.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> Self {
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let name = format!("buttplug-settings-{}-{number}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.0.display())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The flags of this line, of which each word is one.
fn typed(line: &str) -> TypedFlags {
    let serve = TypedFlags::augment_args(Command::new("serve").no_binary_name(true));
    TypedFlags::from_arg_matches(&serve.try_get_matches_from(line.split_whitespace()).unwrap()).unwrap()
}

fn around(environment: &[(&str, &str)], file: Option<&File>) -> Around {
    Around { environment: Environment::of(environment), usual_file: file.map(|file| file.0.clone()) }
}

fn settled(flags: &str, environment: &[(&str, &str)], file: &str) -> Settled {
    let file = File::new(file);
    let around = around(environment, Some(&file));
    settle(&typed(flags).given, Subcommand::Typed, &around).unwrap_or_else(|error| panic!("{error:?}"))
}

/// What is wrong, with `FILE` for the path of the file.
fn problems(flags: &str, environment: &[(&str, &str)], file: &str) -> Vec<String> {
    let file = File::new(file);
    match settle(&typed(flags).given, Subcommand::Typed, &around(environment, Some(&file))) {
        Ok(_) => Vec::new(),
        Err(SourceError::Flags(error)) => vec![error.to_string()],
        Err(SourceError::Problems(problems)) => {
            problems.iter().map(|problem| problem.replace(&file.0.display().to_string(), "FILE")).collect()
        }
    }
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let name = "BUTTPLUG_SERVER_NAME";
    let named = |flags: &str, environment: &[(&str, &str)], file: &str| {
        settled(flags, environment, file).flags.server_name
    };
    let file = "server-name = 'file'\n";
    assert_eq!(named("", &[], "").as_deref(), None);
    assert_eq!(named("", &[], file).as_deref(), Some("file"));
    assert_eq!(named("", &[(name, "variable")], file).as_deref(), Some("variable"));
    assert_eq!(named("--server-name=flag", &[(name, "variable")], file).as_deref(), Some("flag"));
    assert_eq!(named("--server-name=", &[(name, "variable")], file).as_deref(), Some(""));
}

#[test]
fn flags_that_stand_alone_mean_what_they_say_and_nothing_else_counts() {
    let file = File::new("server-name = 5");
    let around = around(&[("BUTTPLUG_SERVER_NAME", "variable"), ("BUTTPLUG_GUARD", "maybe")], Some(&file));
    let implied = settle(&typed("--websocket-port=5").given, Subcommand::Implied, &around).unwrap();
    assert_eq!(format!("{:?}", implied.flags), format!("{:?}", typed("--websocket-port=5").flags));
    assert!(implied.notices.is_empty());
}

#[test]
fn a_switch_that_the_file_turns_on_is_turned_off_by_its_variable() {
    let guarded = |environment: &[(&str, &str)]| settled("", environment, "guard = true").flags.guard;
    assert!(guarded(&[]));
    assert!(!guarded(&[("BUTTPLUG_GUARD", "false")]));
    assert!(settled("--guard", &[("BUTTPLUG_GUARD", "false")], "guard = false").flags.guard);
    // What is off stands in nobody's way.
    assert!(settled("", &[("BUTTPLUG_NO_TOKEN", "0")], &format!("token = '{TOKEN}'")).flags.token.is_some());
}

#[test]
fn lists_add_up_and_name_nothing_twice() {
    let origins = settled(
        "--allow-origin=https://a.example --allow-origin=https://b.example",
        &[("BUTTPLUG_ALLOW_ORIGIN", "https://b.example https://c.example")],
        "allow-origin = ['https://c.example', 'https://d.example']",
    )
    .flags
    .allow_origin;
    let origins: Vec<_> = origins.iter().map(ToString::to_string).collect();
    assert_eq!(origins, ["a", "b", "c", "d"].map(|name| format!("https://{name}.example")));
}

#[test]
fn a_setting_displaces_those_of_later_sources_that_can_not_be_together_with_it() {
    let file = format!("token = '{TOKEN}'\nwebsocket-port = 5\nmax-clients = 7");
    let flags = settled("--no-token --websocket-listen-address=[::1]:6 --single-client", &[], &file).flags;
    assert!(flags.token.is_none() && flags.no_token);
    assert_eq!((flags.websocket_port, flags.limits.max_clients), (None, None));
    let flags = settled("", &[("BUTTPLUG_TOKEN_FILE", "x")], &file).flags;
    assert_eq!((flags.token, flags.token_file), (None, Some("x".into())));
    let flags = settled("--websocket-client-address=ws://x", &[], &file).flags;
    assert_eq!(flags.websocket_port, None, "whoever asks to dial out on the command line dials out");
    let flags = settled("--max-clients=3", &[], "single-client = true").flags;
    assert!(!flags.single_client);
}

#[cfg(feature = "tls")]
#[test]
fn what_one_setting_needs_may_be_said_elsewhere() {
    let flags = settled("--tls-key=k", &[], "tls-certificate = 'c'").flags;
    assert!(flags.tls.tls_key.is_some() && flags.tls.tls_certificate.is_some());
    let problems = problems("", &[], "\ntls-certificate = 'c'");
    assert!(problems[0].contains("--tls-key") && problems[0].contains("FILE:2"), "{problems:?}");
    let alone = super::settle(&typed("--tls-key=k").given, Subcommand::Implied, &Around::default());
    assert!(matches!(alone, Err(SourceError::Flags(_))));
    // A certificate of one's own is no matter of its key any more.
    let flags = settled("--tls-self-signed", &[], "tls-certificate = 'c'\ntls-key = 'k'").flags;
    assert!(flags.tls.tls_self_signed && flags.tls.tls_key.is_none());
}

#[test]
fn settings_of_one_source_that_can_not_be_together_are_named_with_their_places() {
    let found = problems("", &[], &format!("token-file = 'x'\n\ntoken = '{TOKEN}'"));
    assert_eq!(found.len(), 1, "{found:?}");
    for part in ["--token <TOKEN>", "--token-file <FILE>", "token: FILE:3", "token-file: FILE:1"] {
        assert!(found[0].contains(part), "{part}: {found:?}");
    }
    let found = problems("", &[("BUTTPLUG_TOKEN", TOKEN), ("BUTTPLUG_NO_TOKEN", "1")], "");
    assert!(found[0].contains("BUTTPLUG_TOKEN;") && found[0].contains("BUTTPLUG_NO_TOKEN)"), "{found:?}");
    assert!(!found[0].contains(TOKEN));
}

#[test]
fn everything_that_is_wrong_is_named_with_its_line_and_a_secret_is_not_shown() {
    let file = r#"websoket-port = 5
max-run = "5"
max-ping-time = -5
max-nesting = 121
guard = 1
server-name = true
allow-origin = "https://a.example"
token = "secret"
zzz = 1
config = "other.toml"
log = "loud"
[limits]
max-clients = 5
"#;
    let wanted = [
        "FILE:1: there is no setting `websoket-port`; is `websocket-port` meant?",
        "FILE:2: `max-run` is a whole number, as in max-run = 1, not text",
        "FILE:3: `max-ping-time`: \"-5\" is of no use: -5 is not in 0..=4294967295",
        "FILE:4: `max-nesting`: \"121\" is of no use: 121 is not in 6..=120",
        "FILE:5: `guard` is true or false, as in guard = true, not a number",
        "FILE:6: `server-name` is text in quotes, as in server-name = \"NAME\", not true or false",
        "FILE:7: `allow-origin` is a list of texts in quotes, as in allow-origin = [\"ORIGIN\"], not text",
        "FILE:8: `token`: a token has 16 to 512",
        "FILE:9: there is no setting `zzz`; `buttplug config show` lists all there are",
        "FILE:10: `config` has no place here",
        "FILE:11: `log`: \"loud\" is of no use: not a log level",
        "FILE:12: there is no setting `limits`",
    ];
    let found = problems("", &[], file);
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(found.starts_with(wanted) && !found.contains("secret"), "{found}\n{wanted}");
    }
    let entries = problems("", &[], "allow-origin = [\n  'any',\n  'nonsense',\n]");
    assert!(entries[0].starts_with("FILE:3: `allow-origin`: \"nonsense\""), "{entries:?}");
    let syntax = problems("", &[], "guard = true\nserver-name = \n");
    assert!(syntax[0].starts_with("FILE:2:15: "), "{syntax:?}");
    let twice = problems("", &[], "guard = true\nguard = true\n");
    assert!(twice[0].starts_with("FILE:2:1: "), "{twice:?}");
}

#[test]
fn which_file_is_read_is_said_by_flag_or_variable_or_is_the_usual_one() {
    let (usual, other) = (File::new("server-name = 'usual'"), File::new("server-name = 'other'"));
    let named = |line: &str, environment: &[(&str, &str)]| {
        settle(&typed(line).given, Subcommand::Typed, &around(environment, Some(&usual)))
            .unwrap()
            .flags
            .server_name
    };
    let path = other.0.to_str().unwrap();
    assert_eq!(named("", &[]).as_deref(), Some("usual"));
    assert_eq!(named(&format!("--config={path}"), &[]).as_deref(), Some("other"));
    assert_eq!(named("", &[("BUTTPLUG_CONFIG", path)]).as_deref(), Some("other"));
    assert_eq!(named("--no-config", &[]), None);
    assert_eq!(named("--no-config", &[("BUTTPLUG_CONFIG", path)]), None);
    let usual = usual.0.to_str().unwrap();
    assert_eq!(named(&format!("--config={usual}"), &[("BUTTPLUG_CONFIG", path)]).as_deref(), Some("usual"));

    let missing = || Around { usual_file: Some("/no/such/file.toml".into()), ..Around::default() };
    assert!(settle(&typed("").given, Subcommand::Typed, &missing()).is_ok(), "there need not be any");
    let error = settle(&typed("--config=/no/such/file.toml").given, Subcommand::Typed, &missing());
    let Err(SourceError::Problems(problems)) = error else { panic!("it is missed") };
    assert_eq!(problems, ["there is no file /no/such/file.toml (flag)"]);
}

#[test]
fn paths_in_the_file_start_at_its_folder() {
    let folder = std::env::temp_dir();
    let flags = settled("--device-definitions=mine", &[], "token-file = 'secret/token'").flags;
    assert_eq!(flags.token_file, Some(folder.join("secret/token")));
    assert_eq!(flags.own.device_definitions.as_deref(), Some(Path::new("mine")));
    let absolute = folder.join("x").display().to_string();
    assert_eq!(
        settled("", &[], &format!("token-file = '{absolute}'")).flags.token_file,
        Some(absolute.into())
    );
}

#[cfg(unix)]
#[test]
fn a_file_with_a_token_is_nobody_elses() {
    use std::os::unix::fs::PermissionsExt;
    let notices = |text: &str, mode: u32| {
        let file = File::new(text);
        std::fs::set_permissions(&file.0, std::fs::Permissions::from_mode(mode)).unwrap();
        settle(&typed("").given, Subcommand::Typed, &around(&[], Some(&file))).unwrap().notices
    };
    let token = format!("token = '{TOKEN}'");
    assert!(notices(&token, 0o600).is_empty());
    assert!(notices("guard = true", 0o644).is_empty());
    for mode in [0o644, 0o640] {
        let notices = notices(&token, mode);
        assert!(notices.len() == 1 && notices[0].contains("chmod 600") && !notices[0].contains(TOKEN));
    }
}

#[test]
fn errors_that_name_flags_tell_where_these_are_said() {
    let file = File::new("websocket-port = 5\n");
    let around = around(&[("BUTTPLUG_REST_API_PORT", "5")], Some(&file));
    let settled = settle(&typed("--max-run=5").given, Subcommand::Typed, &around).unwrap();
    assert_eq!(
        settled.explain("--websocket-port and --rest-api-port can't share"),
        format!(
            "--websocket-port and --rest-api-port can't share (rest-api-port: environment, BUTTPLUG_REST_API_PORT; \
             websocket-port: {})",
            file.place(1)
        )
    );
    for text in ["--max-run is odd", "--websocket-port-other", "nothing"] {
        assert_eq!(settled.explain(text), text);
    }
}

#[test]
fn another_process_is_handed_all_of_it_and_secrets_not_where_others_see_them() {
    let file = format!("token = '{TOKEN}'\nguard = true\nuse-hid = false\nallow-origin = ['null']");
    let handover = settled("--websocket-port=0", &[("BUTTPLUG_LOG", "debug")], &file).handover();
    let arguments: Vec<_> = handover.arguments().collect();
    let wanted =
        ["serve", "--no-config", "--websocket-port=0", "--log=debug", "--guard", "--allow-origin=null"];
    let (told, arguments): (Vec<_>, Vec<_>) =
        arguments.into_iter().partition(|argument| argument.to_string_lossy().starts_with("--told-by="));
    assert_eq!(arguments, wanted);
    assert!(told.contains(&"--told-by=log: environment, BUTTPLUG_LOG".into()), "{told:?}");
    assert_eq!(handover.set().collect::<Vec<_>>(), [("BUTTPLUG_TOKEN", &OsString::from(TOKEN))]);
    for variable in ["BUTTPLUG_TOKEN", "BUTTPLUG_LOG", "BUTTPLUG_CONFIG"] {
        assert!(handover.removed().any(|removed| removed == variable), "{variable}");
    }
    for (name, variable) in [
        ("websocket-client-address", "BUTTPLUG_WEBSOCKET_CLIENT_ADDRESS"),
        ("repeater-remote-address", "BUTTPLUG_REPEATER_REMOTE_ADDRESS"),
    ] {
        let secret = format!("ws://phone:5/a?token={TOKEN}");
        let handover = settled(&format!("--{name}={secret}"), &[], "").handover();
        assert_eq!(handover.arguments().collect::<Vec<_>>(), ["serve", "--no-config"]);
        assert_eq!(handover.set().collect::<Vec<_>>(), [(variable, &OsString::from(secret))]);
        let open = settled(&format!("--{name}=ws://phone:5/a"), &[], "").handover();
        assert!(open.arguments().any(|word| word == *format!("--{name}=ws://phone:5/a")));
        assert_eq!(open.set().count(), 0);
    }
}

#[test]
fn an_engine_under_a_guard_knows_where_its_settings_are_made() {
    let file = File::new("\nwebsocket-port = 5");
    let around = around(&[], Some(&file));
    let handover = settle(&typed("").given, Subcommand::Typed, &around).unwrap().handover();
    let engine = TypedFlags::augment_args(Command::new("serve").no_binary_name(true));
    let engine = engine.try_get_matches_from(handover.arguments().skip(1)).unwrap();
    let engine = TypedFlags::from_arg_matches(&engine).unwrap();
    let engine = settle(&engine.given, Subcommand::Typed, &Around::default()).unwrap();
    let text = engine.explain("127.0.0.1:5 is in use (--websocket-port)");
    assert!(text.contains(&file.place(2)), "{text}");
}

/// A value that is not the usual one. Text of a form of its own needs an example here.
fn example(key: &key::Key) -> String {
    match (key.name.as_str(), key.kind) {
        ("log", _) => "trace".into(),
        ("log-format", _) => "json".into(),
        ("allow-origin", _) => "https://a.example".into(),
        ("token", _) => TOKEN.into(),
        (_, key::Kind::Switch) => "true".into(),
        _ if !key.words().is_empty() => key.words().pop().unwrap(),
        (_, key::Kind::Number) => {
            let default = key.default.as_ref().and_then(|default| default.parse::<i64>().ok());
            default.filter(|default| *default > 1).map_or(1500, |default| default - 1).to_string()
        }
        _ => "some text".into(),
    }
}

#[test]
fn every_flag_of_serve_can_be_set_in_the_file_and_the_environment_and_is_shown() {
    let usual = settled("", &[], "");
    let shown = usual.show();
    let keys = Keys::of_serve();
    let unset = format!("{:?}", usual.flags);
    for key in keys.iter().filter(|key| key.role == Role::Setting) {
        let name = &key.name;
        let mut line = format!("\n# {name} ");
        assert_eq!(shown.contains(&line), !key.hidden, "{name}:\n{shown}");
        let value = example(key);
        let toml = match key.kind {
            key::Kind::Switch | key::Kind::Number => value.clone(),
            _ if key.list => format!("['{value}']"),
            _ => format!("'{value}'"),
        };
        // A certificate and its key need each other.
        let other = match name.as_str() {
            "tls-certificate" => "tls-key = 'x'\n",
            "tls-key" => "tls-certificate = 'x'\n",
            _ => "",
        };
        if !key.is_secret() {
            line = format!("\n{name} = ");
        }
        let from_file = settled("", &[], &format!("{name} = {toml}\n{other}"));
        assert_ne!(format!("{:?}", from_file.flags), unset, "{name} in the file");
        assert!(from_file.show().contains(&line), "{name}: {}", from_file.show());
        let from_environment = settled("", &[(&key.variable(), &value)], other);
        assert_ne!(format!("{:?}", from_environment.flags), unset, "{}", key.variable());
        assert!(from_environment.show().contains(&line), "{name}: {}", from_environment.show());
    }
}

#[test]
fn what_is_shown_can_be_kept_as_the_file() {
    let before = settled(
        "--websocket-port=5 --allow-origin=null --use-xinput --max-run=007",
        &[("BUTTPLUG_SERVER_NAME", "\"quoted\" \\ and # more\n# of it"), ("BUTTPLUG_ALLOW_ORIGIN", "any")],
        "guard = true\nsingle-client = true\ntoken-file = 't'",
    );
    let shown = before.show();
    assert!(shown.contains("\nwebsocket-port = 5  # flag\n"), "{shown}");
    assert!(
        shown.contains("    \"null\",  # flag\n    \"any\",  # environment, BUTTPLUG_ALLOW_ORIGIN\n"),
        "{shown}"
    );
    let after = settled("", &[], &shown);
    assert_eq!(format!("{:?}", after.flags), format!("{:?}", before.flags));
    let settings = |shown: &str| {
        let lines = shown.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split("  #").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(settings(&after.show()), settings(&shown));
}

#[test]
fn a_token_is_not_shown_and_the_usual_places_are() {
    for shown in [
        settled(&format!("--token={TOKEN}"), &[], "").show(),
        settled("", &[("BUTTPLUG_TOKEN", TOKEN)], "").show(),
        settled("", &[], &format!("token = '{TOKEN}'")).show(),
    ] {
        assert!(shown.contains("\n# token is set and not shown  # ") && !shown.contains(TOKEN), "{shown}");
        assert!(shown.contains("the usual ones count"));
    }
    assert!(!settled("", &[], "use-hid = true").show().contains("the usual ones count"));
    let debug = format!("{:?}", typed(&format!("--token={TOKEN}")));
    assert!(!debug.contains(TOKEN), "{debug}");
}

#[test]
fn an_address_is_not_shown_if_there_may_be_a_token_in_it() {
    for name in ["websocket-client-address", "repeater-remote-address"] {
        let shown = settled(&format!("--{name}=ws://phone:5/a?token={TOKEN}"), &[], "").show();
        assert!(shown.contains(&format!("\n# {name} is set and not shown  # ")), "{shown}");
        assert!(!shown.contains(TOKEN), "{shown}");
        let shown = settled(&format!("--{name}=ws://phone:5/a"), &[], "").show();
        assert!(shown.contains(&format!("\n{name} = \"ws://phone:5/a\"  # ")), "{shown}");
    }
}

#[test]
fn the_full_example_of_the_book_names_every_setting_and_is_understood() {
    let chapter = include_str!("../../../../docs/src/settings.md");
    let example = chapter.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    // What is behind a single # is a setting that can be taken in.
    let all: String = example
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();
    for text in [example, &all] {
        let file = File::new(text);
        let config = ConfigFile::read(&Keys::of_serve(), file.0.clone());
        assert_eq!(config.problems, [""; 0]);
    }
    let _ = settled("", &[], example);
    let keys = Keys::of_serve();
    for key in keys.iter().filter(|key| key.role == Role::Setting && !key.hidden) {
        let named = all.lines().any(|line| line.starts_with(&format!("{} = ", key.name)));
        assert!(named, "{} is missing in the example of settings.md", key.name);
    }
}
