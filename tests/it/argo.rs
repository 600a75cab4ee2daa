//! What ApplicationSets of Argo CD make of what is in the tree, by the real binary.

use crate::images::{POD, Row, of};

/// `root reference confidence` of every row, sorted.
fn shown(rows: &[Row]) -> Vec<String> {
    let mut shown: Vec<String> =
        rows.iter().map(|row| format!("{} {} {}", row.root, row.reference, row.confidence)).collect();
    shown.sort();
    shown
}

/// A set of these generators, whose Applications build a folder with another image.
fn set(generators: &str, path: &str, tag: &str) -> Vec<Row> {
    let set = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: s}}\nspec:\n  generators: {generators}\n  \
         template: {{spec: {{source: {{path: \"{path}\", kustomize: {{images: [\"e.io/a:{tag}\"]}}}}}}}}\n"
    );
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: c, labels: {argocd.argoproj.io/secret-type: cluster, env: prod}}\nstringData: {name: eu}\n";
    of(&[
        ("argo/set.yaml", &set),
        ("argo/cluster.yaml", secret),
        ("apps/x/kustomization.yaml", "resources: [p.yaml]\n"),
        ("apps/x/p.yaml", POD),
        ("apps/y/kustomization.yaml", "resources: [p.yaml]\n"),
        ("apps/y/p.yaml", POD),
        ("config/eu/x.json", "{\"app\": {\"name\": \"x\"}, \"tag\": \"5\"}"),
        ("config/us/y.json", "{\"app\": {\"name\": \"y\"}, \"tag\": \"6\"}"),
    ])
}

// Generators, the path and the tag of the template, and the tag that each application builds.
type Case = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

#[test]
fn the_generators_that_look_at_the_tree_are_asked() {
    let cases: [Case; 9] = [
        (
            "[{list: {elements: [{n: x, t: \"2\"}, {n: \"y\", t: \"3\"}]}}]",
            "apps/{{n}}",
            "{{ t }}",
            &[("x", "2"), ("y", "3")],
        ),
        ("[{list: {elementsYaml: \"- {n: x, t: '2'}\"}}]", "apps/{{n}}", "{{t}}", &[("x", "2"), ("y", "1")]),
        (
            "[{git: {directories: [{path: apps/*}, {path: apps/y, exclude: true}]}}]",
            "{{.path.path}}",
            "{{index .path.segments 1}}",
            &[("x", "x"), ("y", "1")],
        ),
        ("[{git: {files: [{path: \"config/**/*.json\"}]}}]", "apps/{{app.name}}", "{{tag}}", &[("x", "5"), ("y", "6")]),
        (
            "[{git: {files: [{path: \"config/eu/*.json\"}], values: {t: \"{{tag}}-{{path.basename}}\"}}}]",
            "apps/{{.app.name}}",
            "{{.values.t}}",
            &[("x", "5-eu"), ("y", "1")],
        ),
        (
            "[{matrix: {generators: [{clusters: {selector: {matchLabels: {env: prod}}}}, {git: {files: [{path: \"config/{{name}}/*.json\"}]}}]}}]",
            "apps/{{app.name}}",
            "{{tag}}-{{metadata.labels.env}}",
            &[("x", "5-prod"), ("y", "1")],
        ),
        (
            "[{merge: {mergeKeys: [n], generators: [{list: {elements: [{n: x, t: \"1\"}, {n: \"y\", t: \"4\"}]}}, {list: {elements: [{n: x, t: \"2\"}]}}]}}]",
            "apps/{{n}}",
            "{{t}}",
            &[("x", "2"), ("y", "4")],
        ),
        (
            "[{list: {elements: [{n: x, t: \"2\"}, {n: \"y\", t: \"3\"}]}, selector: {matchLabels: {n: x}}}]",
            "apps/{{n}}",
            "{{t}}",
            &[("x", "2"), ("y", "1")],
        ),
        // Nobody here knows the clusters, but what they are called changes nothing.
        ("[{clusters: {selector: {matchLabels: {env: none}}}}]", "apps/x", "7", &[("x", "7"), ("y", "1")]),
    ];
    for (generators, path, tag, expected) in cases {
        let rows = set(generators, path, tag);
        let mut wanted: Vec<String> = expected
            .iter()
            .flat_map(|(app, tag)| [format!("apps/{app} e.io/a:{tag} certain"), format!("apps/{app} e.io/b:1 certain")])
            .collect();
        wanted.sort();
        assert_eq!(shown(&rows), wanted, "{generators}: {rows:#?}");
    }
}

#[test]
fn what_no_tree_can_tell_is_said() {
    for generators in ["[{scmProvider: {}}]", "[{clusters: {selector: {matchLabels: {env: none}}}}]", "[{plugin: {}}]"]
    {
        let rows = set(generators, "apps/{{name}}", "7");
        assert!(
            rows.iter().any(|row| row.reference == "apps/{{name}}" && row.confidence == "opaque"),
            "{generators}: {rows:#?}"
        );
    }
    let rows = set("[{list: {elements: [{n: x}]}}]\n  templatePatch: 'spec: {}'", "apps/{{n}}", "2");
    let patch = rows.iter().find(|row| row.reference == "s").unwrap();
    assert_eq!((patch.confidence.as_str(), patch.places.as_slice()), ("opaque", &["argo/set.yaml:6".to_owned()][..]));
}

#[test]
fn a_set_of_more_applications_than_are_looked_at_says_so() {
    let elements = |count: usize| {
        let all: Vec<String> = (0..count).map(|at| format!("{{n: x{at}}}")).collect();
        set(&format!("[{{list: {{elements: [{}]}}}}]", all.join(", ")), "apps/{{n}}", "2")
    };
    let is_told = |rows: &[Row]| rows.iter().any(|row| row.reference == "s" && row.confidence == "opaque");
    assert!(!is_told(&elements(900)));
    assert!(is_told(&elements(1001)));
}

#[test]
fn one_folder_is_built_for_every_application_that_builds_it_in_another_way() {
    let rows = set("[{list: {elements: [{t: \"2\"},\n    {t: \"3\"}]}}]", "apps/x", "{{t}}");
    for (tag, line) in [("2", 5), ("3", 6)] {
        let row = rows.iter().find(|row| row.reference == format!("e.io/a:{tag}")).unwrap();
        assert_eq!((row.root.as_str(), row.confidence.as_str()), ("apps/x", "certain"), "{row:#?}");
        // The element has its part in it.
        assert!(row.places.contains(&format!("argo/set.yaml:{line}")), "{row:#?}");
    }
}
