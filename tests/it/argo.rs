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

/// What becomes of a chart, of which the template takes `.Values.ver`, by an Application or a set with such a source.
fn charted(source: &str, more: &[(&str, &str)]) -> Vec<String> {
    let application = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: s}}\nspec: {{source: {source}}}\n"
    );
    charts(&application, more)
}

fn charts(object: &str, more: &[(&str, &str)]) -> Vec<String> {
    let deployment = "kind: Deployment\napiVersion: apps/v1\nspec:\n  template:\n    spec:\n      containers:\n      - image: \"e.io/a:{{ .Values.ver }}\"\n";
    let off =
        format!("{{{{- if .Values.web.enabled }}}}\n{}{{{{- end }}}}\n", deployment.replace("e.io/a", "e.io/web"));
    let mut files = vec![
        ("argo/a.yaml", object),
        ("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        ("c/values.yaml", "ver: \"1\"\nweb: {enabled: true}\n"),
        ("c/templates/d.yaml", deployment),
        ("c/templates/w.yaml", &off),
    ];
    files.extend(more);
    let mut rows: Vec<String> = of(&files).iter().map(|row| format!("{} {}", row.reference, row.confidence)).collect();
    rows.sort();
    rows
}

#[test]
fn parameters_are_set_as_helm_does() {
    let found = |parameters: &str| charted(&format!("{{path: c, helm: {{parameters: [{parameters}]}}}}"), &[]);
    let both = ["e.io/a:1 inferred", "e.io/web:1 inferred"];
    assert_eq!(found("{name: ver, value: \"2\"}"), ["e.io/a:2 inferred", "e.io/web:2 inferred"]);
    // Helm reads a word of truth as what it is, unless it is forced to be a text, which is true.
    assert_eq!(found("{name: web.enabled, value: \"false\"}"), ["e.io/a:1 inferred"]);
    assert_eq!(found("{name: web.enabled, value: \"false\", forceString: true}"), both);
    for name in ["a=b,ver", "{{ .name }}", "list[99].tag"] {
        let mut expected = both.to_vec();
        let told = format!("{name} opaque");
        expected.push(&told);
        expected.sort_unstable();
        assert_eq!(found(&format!("{{name: '{name}', value: \"2\"}}")), expected);
    }
    assert_eq!(found("{name: resources, value: \"null\"}"), both);
    assert!(found("{name: image.tag, value: \"null\"}").contains(&"null opaque".to_owned()));
    // The lists that parameters make are values like others.
    let values = "{repoURL: \"https://c.io\", chart: x, targetRevision: 1.0.0, helm: {parameters: [\
        {name: \"side[0].image.repository\", value: e.io/s}, {name: \"side[0].image.tag\", value: \"2\"}]}}";
    assert!(charted(values, &[]).contains(&"e.io/s:2 inferred".to_owned()));
}

#[test]
fn files_and_texts_of_values_that_may_say_more_are_told() {
    let found = |helm: &str| {
        charted(&format!("{{path: c, helm: {{{helm}}}}}"), &[("c/two.yaml", "ver: \"2\"\n---\nver: \"3\"\n")])
    };
    let lax = "ignoreMissingValueFiles: true, valueFiles";
    assert_eq!(found(&format!("{lax}: [none.yaml]")), ["e.io/a:1 inferred", "e.io/web:1 inferred"]);
    for entry in ["env/*.yaml", "values-{{name}}.yaml", "v[12].yaml"] {
        let rows = found(&format!("{lax}: ['{entry}']"));
        assert!(rows.contains(&format!("{entry} opaque")), "{rows:#?}");
    }
    assert!(found("valueFiles: [two.yaml]").contains(&"two.yaml opaque".to_owned()));
    let set = |comment: &str| {
        let set = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: s}}\nspec:\n  goTemplate: true\n  generators: [{{list: {{elements: [{{name: a}}]}}}}]\n  \
             template:\n    spec:\n      source:\n        path: c\n        helm:\n          values: |\n            # {comment}\n            a: 1\n"
        );
        charts(&set, &[])
    };
    assert!(set("{{ printf \"\\nver: v7\" }}").contains(&"values opaque".to_owned()));
    assert_eq!(set("as {{ .name }} wants it"), ["e.io/a:1 inferred", "e.io/web:1 inferred"]);
}

#[test]
fn one_of_several_generators_that_may_give_more_is_told() {
    let list = "{list: {elements: [{n: x, t: \"2\"}]}}";
    let told = |generator: &str| {
        let rows = set(&format!("[{list}, {generator}]"), "apps/{{n}}", "{{t}}");
        assert!(rows.iter().any(|row| row.reference == "e.io/a:2"), "{rows:#?}");
        rows.iter().filter(|row| row.confidence == "opaque" && row.reference == "s").count()
    };
    for generator in [
        "{list: {elementsYaml: \"{{ .x }}\"}}",
        "{git: {files: [{path: \"none/*.json\"}]}}",
        "{git: {files: [{path: \"config/eu/*\"}]}}",
        "{matrix: {generators: [{git: {files: [{path: \"config/eu/*\"}]}}, {list: {elements: [{n: x, t: \"3\"}]}}]}}",
    ] {
        assert_eq!(told(generator), 1, "{generator}");
    }
    for generator in ["{list: {elements: []}}", "{git: {files: [{path: \"config/eu/*.json\"}]}}"] {
        assert_eq!(told(generator), 0, "{generator}");
    }
}
