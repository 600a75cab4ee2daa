//! Holds the command line, `action.yml`, `task.json` and the tables of the README to one set of inputs and outputs. The
//! command line is where they come from: `PASSGATE_TEST_WRITE=1 cargo test --test metadata` writes the others.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that cannot read the files has failed")]

use std::any::TypeId;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use passgate::host::outputs::{OUTPUTS, camel};
use serde_json::{Map, Value, json};

/// Verbs for people at a terminal, which no pipeline needs.
const NOT_ON_A_PIPELINE: &[&str] = &["init", "demo", "schema", "completions", "man", "help"];

/// Inputs that are no flags: they reach the program in its environment only.
const TOKENS: &[(&str, &str)] = &[
    ("token", "Token for the environment in `to`. Give a secret."),
    ("previous-token", "Token for the previous stages; without it `token`, on the same host only."),
    (
        "source-token",
        "Token for the source repository; without it `previous-token`, then `token`, each on its own host.",
    ),
    (
        "registry-tokens",
        "Credentials of image registries, one `host=user:password` a line; without them those of docker. Give a secret.",
    ),
];

/// Inputs of the task alone: GitHub has no service connections.
const CONNECTIONS: &[(&str, &str)] = &[
    ("connection", "GitHub service connection whose token is used where no `token` is given."),
    ("previous-connection", "The same for the previous stages, where no `previous-token` is given."),
    ("source-connection", "The same for the source repository, where no `source-token` is given."),
];

/// Where an input stands in the task's form; what is not named stands under "More options", and first ones in no group.
const GROUPS: &[(&str, &str, &[&str])] = &[
    ("", "", &["command", "artifact", "to", "from", "unit", "state", "digest", "commit", "head"]),
    ("content", "What is packaged", &["repo", "folder", "source", "version", "allow-empty", "output"]),
    (
        "credentials",
        "Credentials",
        &[
            "token",
            "connection",
            "previous-token",
            "previous-connection",
            "source-token",
            "source-connection",
            "registry-tokens",
        ],
    ),
    ("record", "Who and where, for the record", &["by", "run", "committer", "note"]),
    ("more", "More options", &[]),
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Text,
    Lines,
    List,
    Boolean,
    Choice(Vec<String>),
    Connection,
}

/// One input: a flag of one or several verbs.
#[derive(Debug, Clone)]
struct Input {
    name: String,
    kind: Kind,
    /// Verbs, each with what the flag is for there.
    verbs: Vec<(String, String)>,
}

impl Input {
    /// What it is for, with the verbs it is for where they differ.
    fn help(&self) -> String {
        let mut texts: Vec<(Vec<&str>, &str)> = Vec::new();
        for (verb, help) in &self.verbs {
            match texts.iter_mut().find(|(_, text)| text == help) {
                Some((verbs, _)) => verbs.push(verb),
                None => texts.push((vec![verb], help)),
            }
        }
        match texts.as_slice() {
            [(_, text)] => (*text).to_owned(),
            several => {
                let parts = several.iter().map(|(verbs, text)| format!("{}: {text}", verbs.join(", ")));
                parts.collect::<Vec<_>>().join(" ")
            }
        }
    }

    fn group(&self) -> &'static str {
        let named = GROUPS.iter().find(|(_, _, inputs)| inputs.contains(&self.name.as_str()));
        named.map_or("more", |(group, _, _)| group)
    }
}

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(root(name)).unwrap()
}

fn verbs() -> Vec<clap::Command> {
    let command = passgate::cli::Cli::command();
    command.get_subcommands().filter(|verb| !NOT_ON_A_PIPELINE.contains(&verb.get_name())).cloned().collect()
}

/// A sentence with its full stop.
fn sentence(help: &str) -> String {
    let help = help.trim().replace('\n', " ");
    if help.ends_with('.') { help } else { format!("{help}.") }
}

fn kind(arg: &clap::Arg) -> Kind {
    let parser = arg.get_value_parser();
    if parser.type_id() == TypeId::of::<bool>() {
        return Kind::Boolean;
    }
    let choices: Vec<String> =
        parser.possible_values().into_iter().flatten().map(|value| value.get_name().to_owned()).collect();
    match (choices.is_empty(), arg.get_value_delimiter()) {
        (false, _) => Kind::Choice(choices),
        (true, Some('\n')) => Kind::Lines,
        (true, Some(',')) => Kind::List,
        _ => Kind::Text,
    }
}

/// Every input, in the order of the form: those of the first group first.
fn inputs() -> Vec<Input> {
    let names: Vec<String> = verbs().iter().map(|verb| verb.get_name().to_owned()).collect();
    let all = |help: &str| names.iter().map(|verb| (verb.clone(), sentence(help))).collect::<Vec<_>>();
    let mut found: Vec<Input> =
        vec![Input { name: "command".into(), kind: Kind::Choice(names.clone()), verbs: all("What to do") }];
    for verb in verbs() {
        for arg in verb.get_arguments().filter(|arg| !["help", "version"].contains(&arg.get_id().as_str())) {
            let name = arg.get_long().map_or_else(|| arg.get_id().to_string(), str::to_owned);
            let one = (verb.get_name().to_owned(), sentence(&arg.get_help().unwrap().to_string()));
            match found.iter_mut().find(|input| input.name == name) {
                Some(input) => input.verbs.push(one),
                None => found.push(Input { name, kind: kind(arg), verbs: vec![one] }),
            }
        }
    }
    let global = passgate::cli::Cli::command();
    for arg in global.get_arguments().filter(|arg| arg.is_global_set()) {
        let name = arg.get_long().unwrap().to_owned();
        found.push(Input { name, kind: kind(arg), verbs: all(&arg.get_help().unwrap().to_string()) });
    }
    let remote: Vec<String> =
        found.iter().find(|input| input.name == "to").unwrap().verbs.iter().map(|(v, _)| v.clone()).collect();
    for (list, kind) in [(TOKENS, Kind::Text), (CONNECTIONS, Kind::Connection)] {
        for (name, help) in list {
            let verbs = remote.iter().map(|verb| (verb.clone(), (*help).to_owned())).collect();
            found.push(Input { name: (*name).to_owned(), kind: kind.clone(), verbs });
        }
    }
    let place = |input: &Input| {
        let group = GROUPS.iter().position(|(group, _, _)| *group == input.group()).unwrap();
        let within = GROUPS[group].2.iter().position(|name| *name == input.name).unwrap_or(usize::MAX);
        (group, within)
    };
    found.sort_by_key(place);
    found
}

/// JSON texts are YAML texts too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn action() -> String {
    let mut block = String::from("inputs:\n");
    for input in inputs() {
        let help = match &input.kind {
            Kind::Connection => continue,
            Kind::Choice(choices) => format!("{} One of: {}.", input.help(), choices.join(", ")),
            Kind::Boolean => format!("{} `true` or `false`.", input.help()),
            Kind::Lines => format!("{} One a line.", input.help()),
            Kind::List => format!("{} Several with commas.", input.help()),
            Kind::Text => input.help(),
        };
        let required = input.name == "command";
        block.push_str(&format!("  {}:\n    description: {}\n    required: {required}\n", input.name, quoted(&help)));
    }
    block.push_str("outputs:\n");
    for (name, help) in OUTPUTS {
        block.push_str(&format!("  {name}:\n    description: {}\n", quoted(help)));
    }
    let text = read("action.yml");
    let (head, rest) = text.split_once("inputs:\n").unwrap();
    let (_, tail) = rest.split_once("runs:\n").unwrap();
    format!("{head}{block}runs:\n{tail}")
}

fn visible(input: &Input) -> Option<String> {
    let all = verbs().len();
    if input.name == "command" || input.verbs.len() == all {
        return None;
    }
    let rules: Vec<String> = input.verbs.iter().map(|(verb, _)| format!("command = {verb}")).collect();
    Some(rules.join(" || "))
}

// A label names the input by its words: `dry-run` is "Dry run".
fn label(name: &str) -> String {
    let words = name.replace('-', " ");
    words[..1].to_uppercase() + &words[1..]
}

fn task() -> String {
    let mut task: Value = serde_json::from_str(&read("task.json")).unwrap();
    let version: Vec<u64> = env!("CARGO_PKG_VERSION").split('.').map(|part| part.parse().unwrap()).collect();
    task["version"] = json!({"Major": version[0], "Minor": version[1], "Patch": version[2]});
    let groups = GROUPS.iter().filter(|(name, _, _)| !name.is_empty());
    task["groups"] =
        groups.map(|(name, label, _)| json!({"name": name, "displayName": label, "isExpanded": false})).collect();
    let mut list = Vec::new();
    for input in inputs() {
        let mut entry = Map::new();
        entry.insert("name".into(), camel(&input.name).into());
        entry.insert("label".into(), label(&input.name).into());
        // Never filePath: an agent makes an empty one the path of the sources.
        let kind = match &input.kind {
            Kind::Choice(_) => "pickList",
            Kind::Boolean => "boolean",
            Kind::Lines => "multiLine",
            Kind::Text | Kind::List => "string",
            Kind::Connection => "connectedService:github:OAuth,PersonalAccessToken,InstallationToken,Token",
        };
        entry.insert("type".into(), kind.into());
        entry.insert("required".into(), (input.name == "command").into());
        // Hidden inputs are handed over with their defaults too, so only what every command takes may have one.
        match input.kind {
            Kind::Boolean => drop(entry.insert("defaultValue".into(), "false".into())),
            _ if input.name == "command" => drop(entry.insert("defaultValue".into(), "release".into())),
            _ => {}
        }
        entry.insert("helpMarkDown".into(), input.help().into());
        if !input.group().is_empty() {
            entry.insert("groupName".into(), input.group().into());
        }
        if let Some(rule) = visible(&input) {
            entry.insert("visibleRule".into(), rule.into());
        }
        if let Kind::Choice(choices) = &input.kind {
            entry
                .insert("options".into(), choices.iter().map(|one| (one.clone(), Value::from(one.as_str()))).collect());
        }
        list.push(Value::Object(entry));
    }
    task["inputs"] = list.into();
    task["outputVariables"] =
        OUTPUTS.iter().map(|(name, help)| json!({"name": camel(name), "description": help})).collect();
    format!("{task:#}\n")
}

fn readme() -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut tables = String::from("| action | task | for | what |\n|---|---|---|---|\n");
    for input in inputs() {
        let verbs: Vec<&str> = input.verbs.iter().map(|(verb, _)| verb.as_str()).collect();
        let whose = if visible(&input).is_none() { "all".to_owned() } else { verbs.join(", ") };
        let help = cell(&input.help());
        let choices = match &input.kind {
            Kind::Choice(choices) => format!(" One of `{}`.", choices.join("`, `")),
            Kind::Lines => " One a line.".to_owned(),
            Kind::List => " Several with commas.".to_owned(),
            Kind::Boolean | Kind::Text | Kind::Connection => String::new(),
        };
        let of_action = if input.kind == Kind::Connection { String::new() } else { format!("`{}`", input.name) };
        tables.push_str(&format!("| {of_action} | `{}` | {whose} | {help}{choices} |\n", camel(&input.name)));
    }
    tables.push_str("\n| output of the action | of the task | what |\n|---|---|---|\n");
    for (name, help) in OUTPUTS {
        tables.push_str(&format!("| `{name}` | `{}` | {} |\n", camel(name), cell(help)));
    }
    let text = read("README.md");
    let (head, rest) = text.split_once("<!-- inputs: written by the test `metadata` -->\n").unwrap();
    let (_, tail) = rest.split_once("<!-- end of inputs -->").unwrap();
    format!("{head}<!-- inputs: written by the test `metadata` -->\n\n{tables}\n<!-- end of inputs -->{tail}")
}

#[test]
fn files_are_what_the_command_line_says() {
    for (name, wanted) in [("action.yml", action()), ("task.json", task()), ("README.md", readme())] {
        if std::env::var_os("PASSGATE_TEST_WRITE").is_some() {
            fs::write(root(name), &wanted).unwrap();
        }
        assert!(read(name) == wanted, "{name} is stale: PASSGATE_TEST_WRITE=1 cargo test --test metadata");
    }
}

// Names below a key of a YAML file whose blocks are indented by two.
fn keys(text: &str, key: &str) -> BTreeSet<String> {
    let lines = text.lines().skip_while(|line| *line != format!("{key}:")).skip(1);
    let block = lines.take_while(|line| line.starts_with(' '));
    block.filter(|line| !line.starts_with("   ")).map(|line| line.trim().trim_end_matches(':').to_owned()).collect()
}

#[test]
fn action_task_and_command_line_have_the_same_inputs_and_outputs() {
    let text = read("action.yml");
    let task: Value = serde_json::from_str(&read("task.json")).unwrap();
    let named = |list: &str| -> BTreeSet<String> {
        task[list].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
    };
    let camels = |names: &BTreeSet<String>| names.iter().map(|name| camel(name)).collect::<BTreeSet<_>>();

    let mut flags = BTreeSet::from(["command".to_owned()]);
    let global = passgate::cli::Cli::command();
    let globals: Vec<clap::Arg> = global.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    for arg in verbs().iter().flat_map(clap::Command::get_arguments).chain(&globals) {
        let id = arg.get_long().map_or_else(|| arg.get_id().to_string(), str::to_owned);
        if id == "help" || (id == "version" && arg.get_env().is_none()) {
            continue;
        }
        assert!(!id.contains("token"), "a token is never a flag");
        let variable = format!("PASSGATE_{}", id.replace('-', "_").to_uppercase());
        assert_eq!(arg.get_env().unwrap_or_else(|| panic_on(&id)), variable.as_str(), "{id}");
        flags.insert(id);
    }
    flags.extend(TOKENS.iter().map(|(name, _)| (*name).to_owned()));
    assert_eq!(keys(&text, "inputs"), flags, "action.yml and the command line");
    let connections = CONNECTIONS.iter().map(|(name, _)| (*name).to_owned());
    let of_task: BTreeSet<String> = flags.iter().cloned().chain(connections).collect();
    assert_eq!(named("inputs"), camels(&of_task), "task.json and the command line");
    assert_eq!(keys(&text, "outputs"), OUTPUTS.iter().map(|(name, _)| (*name).to_owned()).collect());
    assert_eq!(named("outputVariables"), camels(&keys(&text, "outputs")));
    // Azure writes names in capitals without separators: no two may become one.
    let flat: BTreeSet<String> = of_task.iter().map(|name| name.replace('-', "").to_uppercase()).collect();
    assert_eq!(flat.len(), of_task.len());
}

#[allow(clippy::panic, reason = "the test's own word")]
fn panic_on(id: &str) -> ! {
    panic!("{id} has no variable, so no input can reach it")
}

#[test]
fn outputs_are_keys_of_the_json_document() {
    use passgate::domain::outcome::{Outcome, Report};
    let document = serde_json::to_value(Report::new(Outcome::Released)).unwrap();
    for (name, _) in OUTPUTS {
        // Parts of one key have outputs of their own.
        let key = if name.starts_with("pull-request-") { "pull_request".to_owned() } else { name.replace('-', "_") };
        assert!(document.get(key).is_some(), "{name}");
    }
    let made = passgate::host::outputs::of(&Report::new(Outcome::Released));
    assert_eq!(
        made.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        OUTPUTS.iter().map(|(n, _)| *n).collect::<Vec<_>>()
    );
}

#[test]
fn the_task_runs_where_it_says() {
    let task: Value = serde_json::from_str(&read("task.json")).unwrap();
    let id = task["id"].as_str().unwrap();
    let lengths: Vec<usize> = id.split('-').map(str::len).collect();
    assert!(lengths == [8, 4, 4, 4, 12] && id.chars().all(|c| c == '-' || c.is_ascii_hexdigit()), "{id}");
    let handlers: Vec<&String> = task["execution"].as_object().unwrap().keys().collect();
    assert_eq!(handlers, ["Node20_1", "Node24"]);
    for handler in handlers {
        assert!(root(task["execution"][handler]["target"].as_str().unwrap()).is_file());
    }
    assert!(task["friendlyName"].as_str().unwrap().chars().count() <= 40);
    // A rule can only ask for an input that is there, and has no brackets.
    for input in task["inputs"].as_array().unwrap() {
        let rule = input["visibleRule"].as_str().unwrap_or("command = release");
        for term in rule.split(" || ") {
            let verb = term.strip_prefix("command = ").unwrap();
            assert!(verbs().iter().any(|known| known.get_name() == verb), "{rule}");
        }
    }
    let version = env!("CARGO_PKG_VERSION");
    for name in ["dist/checksums.json", "vss-extension.json"] {
        let file: Value = serde_json::from_str(&read(name)).unwrap();
        assert_eq!(file["version"], version, "{name}");
    }
}
