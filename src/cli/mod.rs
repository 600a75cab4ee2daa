//! The command line: one file a verb, which turns arguments into a request and a use case's answer into a report.

pub mod audit;
pub mod check;
pub mod common;
pub mod completions;
pub mod demo;
pub mod error;
pub mod images;
pub mod init;
pub mod inspect;
pub mod man;
pub mod mark;
pub mod markdown;
pub mod package;
pub mod plan;
pub mod release;
pub mod render;
pub mod retire;
pub mod rollback;
pub mod sarif;
pub mod schema;
pub mod status;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::app::AppError;
use crate::domain::escape;
use crate::domain::outcome::{Outcome, Report, Trouble};
use crate::host::detect::{self, Host};
use crate::host::{defaults, publish, tokens, writer};
use common::{Adapters, Wiring};

/// Promotes GitOps configuration from dev to qual to prod so that nothing skips a gate.
#[derive(Debug, Parser)]
#[command(name = "passgate", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done; 1 could not; 2 usage; 3 refused, superseded or findings; 4 artifact refused; 5 lost race; \
                        130 interrupted."
)]
pub struct Cli {
    /// Print one JSON document on stdout, on refusals and failures too.
    #[arg(long, global = true, env = "PASSGATE_JSON", value_parser = common::boolish(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What passgate can do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write the selected folders of a commit into a deployment zip.
    Package(package::Args),
    /// Prove an artifact intact and show what is in it.
    Inspect(inspect::Args),
    /// Find every image that an artifact or a folder deploys.
    Images(images::Args),
    /// Ask every gate and show what a release would change; write nothing.
    Plan(plan::Args),
    /// Release an artifact into an environment.
    Release(release::Args),
    /// Record what a stage's checks said of what is live there.
    Mark(mark::Args),
    /// Bring back content that was live in an environment before.
    Rollback(rollback::Args),
    /// Take a unit out of an environment.
    Retire(retire::Args),
    /// Show what is where, and why it may not go on.
    Status(status::Args),
    /// For pull requests in an environment's repository: is what they change a valid release?
    Check(check::Args),
    /// Find what changed on an environment's branch without a valid release.
    Audit(audit::Args),
    /// Write rules for environments, and pipelines that use them.
    Init(init::Args),
    /// Play a whole promotion in a folder, with repositories of its own.
    Demo(demo::Args),
    /// Print the JSON Schema of .passgate/stage.yaml.
    Schema(schema::Args),
    /// Print completions for a shell.
    Completions(completions::Args),
    /// Print the manual page.
    Man(man::Args),
}

/// Parses the command line, runs the verb and says how it went.
pub fn run(arguments: Vec<OsString>, interrupted: Arc<AtomicBool>, adapters: &dyn Adapters) -> ExitCode {
    let wants_json = wants_json(&arguments);
    let Some(host) = detect::detect() else {
        let names: Vec<&str> = detect::NAMES.iter().map(|(name, _)| *name).collect();
        let error = AppError::usage("PASSGATE_HOST names no host", format!("one of {}", names.join(", ")));
        return ExitCode::from(
            Wiring::new(wants_json, Host::Terminal, interrupted, adapters).report(&error::report(&error), ""),
        );
    };
    publish::mask(host);
    let command = inputs(Cli::command(), &arguments, host);
    let cli = match command.try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, wants_json, host),
    };
    let wiring = Wiring::new(cli.json, host, interrupted, adapters);
    if let Some(id) = tokens::silent_connection(host) {
        let message = format!("the agent has no token of the service connection {}", escape::line(&id));
        let hint = "name a connection that this pipeline may use, of a kind that has a token, or give a token instead";
        return ExitCode::from(wiring.report(&error::report(&AppError::usage(message, hint)), ""));
    }
    if let Some(line) = tokens::odd_registry_line() {
        let message = format!("line {line} of PASSGATE_REGISTRY_TOKENS is no credential of a registry");
        let hint = "write `host=user:password` or `host=token`, one a line, without https://";
        return ExitCode::from(wiring.report(&error::report(&AppError::usage(message, hint)), ""));
    }
    let result = match cli.verb {
        Verb::Package(args) => args.run(&wiring),
        Verb::Inspect(args) => args.run(&wiring),
        Verb::Images(args) => args.run(&wiring),
        Verb::Plan(args) => args.run(&wiring),
        Verb::Release(args) => args.run(&wiring),
        Verb::Mark(args) => args.run(&wiring),
        Verb::Rollback(args) => args.run(&wiring),
        Verb::Retire(args) => args.run(&wiring),
        Verb::Status(args) => args.run(&wiring),
        Verb::Check(args) => args.run(&wiring),
        Verb::Audit(args) => args.run(&wiring),
        Verb::Init(args) => args.run(&wiring),
        Verb::Demo(args) => args.run(&wiring),
        Verb::Schema(args) => args.run(),
        Verb::Completions(args) => args.run(),
        Verb::Man(args) => args.run(),
    };
    let code = result.unwrap_or_else(|error| wiring.report(&error::report(&error), ""));
    ExitCode::from(code)
}

// Whether JSON is wanted, in all words in which the option takes it, before anything can be parsed.
fn wants_json(arguments: &[OsString]) -> bool {
    let texts: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let given =
        texts.iter().rev().find_map(|text| if *text == "--json" { Some("true") } else { text.strip_prefix("--json=") });
    let variable = crate::host::environment::variable("PASSGATE_JSON");
    let word = given.or(variable.as_deref()).unwrap_or("false").to_ascii_lowercase();
    ["true", "1", "yes", "y", "on", "t"].contains(&word.as_str())
}

// Pipelines give every input as a variable. An empty one was not given, and what the command line says of one way to name
// a thing displaces the variable of the other way. What nobody gave, the host may know.
fn inputs(command: clap::Command, arguments: &[OsString], host: Host) -> clap::Command {
    let says = |option: &str| arguments.iter().any(|a| a.to_string_lossy().split('=').next() == Some(option));
    let displaced = [
        ("steps", says("--digest")),
        ("artifact", says("--from")),
        ("commit", says("--digest")),
        ("digest", says("--commit")),
    ];
    let known = [("by", defaults::by(host)), ("run", defaults::run(host)), ("unit", defaults::unit(host))];
    let settle = |arg: clap::Arg| {
        let name = arg.get_env().map(|name| name.to_string_lossy().into_owned());
        let is_empty = name.is_some_and(|name| crate::host::environment::variable(&name).is_none());
        if is_empty || displaced.iter().any(|(id, so)| *so && arg.get_id() == id) {
            arg.env(clap::builder::Resettable::Reset)
        } else {
            arg
        }
    };
    let fill = |arg: clap::Arg| match known.iter().find(|(id, _)| arg.get_id() == id) {
        Some((_, Some(value))) => arg.required(false).default_value(value.clone()),
        _ => arg,
    };
    // Help names the variables, so they are only taken away when there is something to take away.
    let has_help = says("--help") || says("-h") || says("help");
    if has_help {
        return command;
    }
    command.mut_args(settle).mut_subcommands(|verb| {
        let verb = verb.mut_args(settle);
        // It asks the repository that it packages.
        if verb.get_name() == "package" { verb } else { verb.mut_args(fill) }
    })
}

fn usage(error: &clap::Error, json: bool, host: Host) -> ExitCode {
    let text = error.render();
    if !error.use_stderr() {
        writer::result(&text.ansi().to_string());
        return ExitCode::SUCCESS;
    }
    let plain = text.to_string();
    let mut lines = plain.lines().map(str::trim).filter(|line| !line.is_empty());
    let message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let mut report = Report::new(Outcome::Usage);
    report.error = Some(Trouble {
        code: "usage".to_owned(),
        message,
        causes: lines.filter(|line| !line.starts_with("For more")).map(str::to_owned).collect(),
        hint: Some("passgate help".to_owned()),
    });
    if json {
        writer::result(&render::json(&report));
    }
    // It repeats what was given, which may be text from outside.
    let quiet = escape::text(&plain);
    writer::tell(&if quiet == plain { text.ansi().to_string() } else { quiet });
    publish::publish(host, &report, &[&report], &markdown::report(None, &report));
    ExitCode::from(Outcome::Usage.exit_code())
}
