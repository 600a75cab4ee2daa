//! `images`: the references that a tree deploys, by the real binary.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{World, text};

/// One line of `--json`.
#[derive(Debug, Clone)]
pub struct Row {
    pub root: String,
    pub class: String,
    pub reference: String,
    pub confidence: String,
    pub places: Vec<String>,
}

pub fn rows(json: &serde_json::Value) -> Vec<Row> {
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_owned();
    let row = |row: &serde_json::Value| Row {
        root: text(row, "root"),
        class: text(row, "class"),
        reference: text(row, "reference"),
        confidence: text(row, "confidence"),
        places: row["places"].as_array().unwrap().iter().map(|place| place.as_str().unwrap().to_owned()).collect(),
    };
    json["images"].as_array().unwrap().iter().map(row).collect()
}

fn images(folder: &Path) -> Vec<Row> {
    rows(&World::empty().run(&["images", text(folder)]).is(0, "reported").json)
}

/// What a tree of these files deploys.
pub fn of(files: &[(&str, &str)]) -> Vec<Row> {
    let world = World::empty();
    let folder = world.path().join("tree");
    for (path, content) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    rows(&world.run(&["images", text(&folder)]).is(0, "reported").json)
}

/// `reference confidence` of every image, in order.
pub fn short(rows: &[Row]) -> Vec<String> {
    let images = rows.iter().filter(|row| row.class == "image");
    images.map(|row| format!("{} {}", row.reference, row.confidence)).collect()
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cases/images");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// The rows that a case expects, beside those that it forbids, and nothing that it does not name at all.
fn check(case: &Path) {
    let found = images(case);
    let expected = fs::read_to_string(case.join("expected.tsv")).unwrap();
    let mut faults = Vec::new();
    let mut named = vec![false; found.len()];
    for line in expected.lines().filter(|line| !line.starts_with('#')) {
        let [expect, root, class, reference, confidence, places] =
            line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let places: Vec<&str> = places.split(',').collect();
        let is_it = |row: &Row| {
            row.class == class
                && row.reference == reference
                && (confidence == "-" || row.confidence == confidence)
                && (root == "-" || row.root == root)
                && places.iter().all(|place| row.places.iter().any(|own| own == place))
        };
        let hits: Vec<usize> = (0..found.len()).filter(|at| is_it(&found[*at])).collect();
        for at in &hits {
            named[*at] = true;
        }
        match expect {
            "must" if hits.len() != 1 => faults.push(format!("{} times: {line}", hits.len())),
            "mustnot" if !hits.is_empty() => faults.push(format!("forbidden: {line}")),
            _ => {}
        }
    }
    let extra = found.iter().zip(&named).filter(|(row, named)| !**named && row.confidence != "opaque");
    faults.extend(extra.map(|(row, _)| format!("not expected: {row:?}")));
    assert!(faults.is_empty(), "{}:\n{}\n\nof {found:#?}", case.display(), faults.join("\n"));
}

#[test]
fn every_shared_case_is_exact() {
    let cases = cases();
    assert_eq!(cases.len(), 5);
    cases.iter().for_each(|case| check(case));
}

#[test]
fn a_literal_image_is_found_in_every_place_of_every_kind() {
    let rows = of(&[(
        "a.yaml",
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {jobTemplate: {spec: {template: {spec: {\n\
         containers: [{image: e.io/a:1, env: [{name: RELATED_IMAGE_X, value: e.io/env:1}], args: [--x=e.io/arg:1]}],\n\
         initContainers: [{image: e.io/b:1}],\nephemeralContainers: [{image: e.io/c:1}],\n\
         volumes: [{image: {reference: e.io/d:1}}]}}}}}\n",
    )]);
    let expected = [
        "e.io/a:1 certain",
        "e.io/arg:1 inferred",
        "e.io/env:1 inferred",
        "e.io/b:1 certain",
        "e.io/c:1 certain",
        "e.io/d:1 certain",
    ];
    assert_eq!(short(&rows), expected);
}

pub const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a, image: \"e.io/a:1\"}, {name: b, image: \"e.io/b:1\"}]}\n";

/// A base with [`POD`] and an overlay with more lines.
pub fn overlay(more: &str) -> Vec<Row> {
    let over = format!("resources: [../base]\n{more}");
    of(&[
        ("base/kustomization.yaml", "resources: [p.yaml]\n"),
        ("base/p.yaml", POD),
        ("over/kustomization.yaml", &over),
    ])
}

#[test]
fn an_overlay_builds_what_kustomize_builds() {
    // Every expectation is what `kubectl kustomize` 1.37 prints.
    for (more, expected) in [
        ("images: [{name: e.io/a, newTag: \"2\"}]", &["e.io/a:2", "e.io/b:1"][..]),
        ("images: [{name: e.io/a, tagSuffix: .x}]", &["e.io/a:1.x.x", "e.io/b:1"]),
        ("images: [{name: e.io/a, newName: e.io/c}, {name: e.io/c, newTag: \"3\"}]", &["e.io/c:3", "e.io/b:1"]),
        ("images: [{name: \"e.io/.*\", newTag: \"3\"}]", &["e.io/a:3", "e.io/b:3"]),
        ("images: [{name: e.io, newName: x.io}]", &["e.io/a:1", "e.io/b:1"]),
        // What a patch names moves to the front, so the second patch meets b.
        (
            "patches:\n- patch: |-\n    {apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: b, tty: true}]}}\n\
             - target: {kind: Pod}\n  patch: '[{\"op\": \"replace\", \"path\": \"/spec/containers/0/image\", \"value\": \"e.io/z:1\"}]'",
            &["e.io/a:1", "e.io/z:1"],
        ),
        (
            "patches:\n- patch: |-\n    {apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, $patch: delete}]}}",
            &["e.io/b:1"],
        ),
        (
            "replacements:\n- source: {kind: Pod, fieldPath: 'spec.containers.[name=a].image', options: {delimiter: ':', index: 0}}\n  \
             targets: [{select: {kind: Pod}, fieldPaths: ['spec.containers.[name=b].image'], options: {delimiter: ':', index: 0}}]",
            &["e.io/a:1"],
        ),
        (
            "namespace: ns\nnamePrefix: x-\nreplacements:\n- source: {kind: Pod, fieldPath: metadata.namespace}\n  \
             targets: [{select: {kind: Pod}, fieldPaths: ['spec.containers.[name=a].image'], options: {delimiter: ':', index: 1}}]\n\
             - source: {kind: Pod, name: p}\n  \
             targets: [{select: {kind: Pod}, fieldPaths: ['spec.containers.[name=b].image'], options: {delimiter: ':', index: 1}}]\n\
             - source: {kind: Pod}\n  targets: [{select: {kind: Pod}, fieldPaths: ['metadata.annotations.[a.b/c]'], options: {create: true}}]\n\
             - source: {kind: Pod}\n  targets: [{select: {kind: Pod}, fieldPaths: ['metadata.annotations.[a.b/c]']}]",
            &["e.io/a:ns", "e.io/b:x-p"],
        ),
    ] {
        let rows = overlay(more);
        let found: Vec<String> = rows.iter().map(|row| row.reference.clone()).collect();
        let (mut found, mut expected): (Vec<&str>, Vec<&str>) =
            (found.iter().map(String::as_str).collect(), expected.to_vec());
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{more}: {rows:#?}");
        assert!(rows.iter().all(|row| row.root == "over" && row.confidence == "certain"), "{rows:#?}");
    }
}

#[test]
fn a_root_that_kustomize_cannot_build_is_named_and_its_images_are_still_found() {
    for (more, place) in [
        ("images: [{name: e.io/a, newTag: 1.10}]", "over/kustomization.yaml:2"),
        ("patches: [{path: nowhere.yaml}]", "over/kustomization.yaml:2"),
        (
            "patches:\n- patch: |-\n    {apiVersion: v1, kind: Pod, metadata: {name: q}, spec: {}}",
            "over/kustomization.yaml:4",
        ),
        (
            "patches:\n- target: {kind: Pod}\n  patch: '[{\"op\": \"remove\", \"path\": \"/spec/containers/7\"}]'",
            "over/kustomization.yaml:3",
        ),
        ("replacements: [{source: {kind: Nope}, targets: []}]", "over/kustomization.yaml:2"),
        ("components: [../missing]", "over/kustomization.yaml:2"),
    ] {
        let rows = overlay(more);
        let unreadable: Vec<&Row> = rows.iter().filter(|row| row.confidence == "unreadable").collect();
        assert_eq!(unreadable.len(), 1, "{more}: {rows:#?}");
        assert_eq!((unreadable[0].root.as_str(), unreadable[0].places.as_slice()), ("over", &[place.to_owned()][..]));
        assert!(rows.iter().any(|row| row.reference == "e.io/b:1" && row.confidence == "certain"), "{rows:#?}");
    }
    let rows = of(&[("a/kustomization.yaml", "resources: [../b]\n"), ("b/kustomization.yaml", "resources: [../a]\n")]);
    assert!(!rows.is_empty() && rows.iter().all(|row| row.confidence == "unreadable"), "{rows:#?}");
}

#[test]
fn a_remote_base_is_opaque_and_what_is_renamed_in_it_is_evidence() {
    let rows = of(&[(
        "kustomization.yaml",
        "resources: [\"https://github.com/acme/x//deploy?ref=v1\"]\nimages:\n- name: e.io/a\n  newName: prod.io/a\n  newTag: \"2\"\n- name: e.io/b\n  newName: prod.io/b\n",
    )]);
    let expected =
        ["https://github.com/acme/x//deploy?ref=v1 opaque", "prod.io/a:2 inferred", "prod.io/b:? unresolved"];
    assert_eq!(short(&rows), expected);
    assert_eq!(rows[1].places, ["kustomization.yaml:4", "kustomization.yaml:5"]);
    assert!(rows.iter().all(|row| row.root == "."));
}

#[test]
fn yaml_is_read_as_the_cluster_reads_it() {
    let world = World::empty();
    let folder = world.path().join("tree");
    fs::create_dir(&folder).unwrap();
    let head = "apiVersion: v1\r\nkind: Pod\r\nmetadata: {name: p}\r\n";
    let text = format!(
        "\u{feff}{head}spec:\r\n  containers:\r\n  - &a {{name: a, image: e.io/a:1, image: e.io/a:2}}\r\n  - {{<<: *a, name: b}}\r\n  \
         - {{<<: *a, image: e.io/c:1}}\r\n---\r\n{head}spec: {{containers: [{{image: &a e.io/d:1}}, {{image: *a}}]}}\r\n...\r\n\
         {{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {{\"containers\": [{{\"image\": \"e.io/f:1\"}}]}}}}]}}\r\n"
    );
    fs::write(folder.join("a.yaml"), text).unwrap();
    let run = world.run(&["images", crate::support::text(&folder)]).is(0, "reported");
    let rows = rows(&run.json);
    let found: Vec<(&str, &str)> = rows.iter().map(|row| (row.reference.as_str(), row.places[0].as_str())).collect();
    // No line of --- stands before the last document, so nobody applies it: it is told.
    let expected = [
        ("e.io/a:2", "a.yaml:6"),
        ("e.io/c:1", "a.yaml:8"),
        ("e.io/d:1", "a.yaml:13"),
        ("a.yaml", "a.yaml:15"),
        ("e.io/f:1", "a.yaml:15"),
    ];
    assert_eq!(found, expected, "{rows:#?}");
    assert!(run.json["warnings"][0].as_str().unwrap().contains("a.yaml:6: the key \"image\" stands twice"), "{run:#?}");
}

#[test]
fn a_template_that_does_not_parse_is_unreadable_and_its_literal_images_are_found() {
    let rows = of(&[(
        "a.yaml",
        "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: e.io/a:1}]}\n---\n{{- if .x }}\nkind: Pod\nspec:\n  \
         containers:\n  - image: \"e.io/b:1\" # why\n  - image: {{ .image }}\n  # - image: e.io/c:1\n",
    )]);
    assert_eq!(short(&rows), ["e.io/a:1 certain", "a.yaml unreadable", "e.io/b:1 inferred"]);
    assert_eq!(rows[2].places, ["a.yaml:9"]);
}

#[test]
fn hostile_yaml_ends_in_an_answer() {
    let bomb: String =
        (1..40).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))).collect();
    let bomb = format!("a0: &a0 [x]\n{bomb}");
    let tall: String = (1..2000).map(|n| format!("b{n}: &b{n} {{x: *b{}}}\n", n - 1)).collect();
    let tall = format!("b0: &b0 x\n{tall}");
    let deep = "[".repeat(100_000);
    let dashes = "- ".repeat(100_000);
    let keys: String = (0..100_000).map(|n| format!("k{n}: v\n")).collect();
    let huge = format!("a: \"{}\"\n", "x".repeat(20 << 20));
    let cases = [("bomb", bomb), ("tall", tall), ("deep", deep), ("dashes", dashes), ("huge", huge)];
    for (name, text) in cases {
        let begun = std::time::Instant::now();
        let rows = of(&[("a.yaml", &text), ("b.yaml", POD)]);
        assert!(
            rows.iter().any(|row| row.confidence == "unreadable" && row.places[0].starts_with("a.yaml:")),
            "{name}"
        );
        assert!(rows.iter().any(|row| row.reference == "e.io/a:1"), "{name}");
        assert!(begun.elapsed().as_secs() < 10, "{name}: {:?}", begun.elapsed());
    }
    assert_eq!(short(&of(&[("a.yaml", &keys), ("b.yaml", POD)])).len(), 2);
}

#[test]
fn known_fields_are_certain_others_inferred_and_what_deploys_nothing_is_silent() {
    let rows = of(&[(
        "a.yaml",
        "apiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nspec: {imageName: \"e.io/pg:16\"}\n---\n\
         apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {template: {spec: {containers: [{image: \"e.io/r:1\"}]}}}\n---\n\
         apiVersion: tekton.dev/v1\nkind: Task\nspec: {steps: [{image: alpine}]}\n---\n\
         apiVersion: x.io/v1\nkind: W\nspec: {proxyImage: \"e.io/w:1\", image: {repository: e.io/v, tag: v2}, other: \"e.io/other:1\", image2: 7}\n---\n\
         apiVersion: serving.knative.dev/v1\nkind: Service\nspec: {template: {spec: {containers: [{image: \"e.io/k:1\"}]}}}\n---\n\
         apiVersion: helm.cattle.io/v1\nkind: HelmChartConfig\nspec: {valuesContent: \"image: e.io/k3s:1\"}\n---\n\
         apiVersion: v1\nkind: Pod\nspec: {containers: [{image: 1.10}]}\n---\n\
         apiVersion: template.openshift.io/v1\nkind: Template\nobjects: [{apiVersion: v1, kind: Pod, spec: {containers: [{image: \"e.io/t:1\"}]}}]\n---\n\
         apiVersion: kyverno.io/v1\nkind: Policy\nspec: {image: \"e.io/no:1\"}\n---\n\
         apiVersion: v1\nkind: ConfigMap\ndata:\n  pod.yaml: |\n\n\n    apiVersion: v1\n    kind: Pod\n    spec: {containers: [{image: \"e.io/cm:1\"}]}\n  queue-image: e.io/queue:1\n",
    )]);
    let expected = [
        "e.io/pg:16 certain",
        "e.io/r:1 certain",
        "docker.io/library/alpine:latest certain",
        "e.io/other:1 inferred",
        "e.io/v:v2 inferred",
        "e.io/w:1 inferred",
        "e.io/k:1 certain",
        "e.io/k3s:1 inferred",
        "1.10 unresolved",
        "e.io/t:1 inferred",
        "e.io/cm:1 inferred",
        "e.io/queue:1 inferred",
    ];
    assert_eq!(short(&rows), expected);
    assert_eq!(rows[10].places, ["a.yaml:45"]);
}

/// `reference confidence places` of every row that is not opaque.
pub fn full(rows: &[Row]) -> Vec<String> {
    let seen = rows.iter().filter(|row| row.confidence != "opaque");
    seen.map(|row| format!("{} {} {} {}", row.class, row.reference, row.confidence, row.places.join(","))).collect()
}

#[test]
fn flux_builds_a_folder_with_what_its_kustomization_adds() {
    let cluster = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: CLUSTER, namespace: flux-system}\n\
        spec:\n  path: ./apps\n  components: [../mirror]\n  images: [{name: e.io/a, newTag: \"5\"}]\n  patches:\n  - target: {kind: Pod}\n    \
        patch: '[{\"op\": \"add\", \"path\": \"/spec/containers/-\", \"value\": {\"image\": \"${HOST:-d.io}/${NAME^^}:${TAG:0:2}${TAG/-rc/}\"}}]'\n  \
        postBuild:\n    substituteFrom: [{kind: ConfigMap, name: vars}]\n    substitute: {NAME: x}\n---\n\
        apiVersion: v1\nkind: ConfigMap\nmetadata: {name: vars, namespace: flux-system}\ndata: {TAG: TAG-rc}\n";
    let of_cluster =
        |name: &str, tag: &str| cluster.replace("CLUSTER", name).replace("TAG: TAG-rc", &format!("TAG: {tag}"));
    let (dev, prod) = (of_cluster("dev", "1.0-rc"), of_cluster("prod", "2.0-rc"));
    let rows = of(&[
        ("apps/p.yaml", POD),
        ("apps/sub/kustomization.yaml", "resources: [q.yaml]\nnamePrefix: x-\n"),
        ("apps/sub/q.yaml", &POD.replace("e.io", "q.io")),
        ("mirror/kustomization.yaml", "kind: Component\nimages: [{name: e.io/b, newName: mirror.io/b}]\n"),
        ("clusters/dev/apps.yaml", &dev),
        ("clusters/prod/apps.yaml", &prod),
    ]);
    let expected = |tag: &str| format!("d.io/X:{tag} unresolved");
    let found = short(&rows);
    assert!(rows.iter().all(|row| row.root == "apps"), "{rows:#?}");
    for image in ["e.io/a:5 certain", "mirror.io/b:1 certain", "q.io/a:1 certain", "q.io/b:1 certain"] {
        assert!(found.contains(&image.to_owned()), "{image}: {rows:#?}");
    }
    // Upper case is no image name: it is said, not dropped.
    assert!(found.contains(&expected("1.1.0")) && found.contains(&expected("2.2.0")), "{rows:#?}");
}

#[test]
fn a_cluster_that_names_its_own_folder_is_followed_to_what_it_deploys() {
    let sync = |path: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: k}}\nspec: {{path: {path}, sourceRef: {{kind: GitRepository, name: s}}}}\n"
        )
    };
    let rows = of(&[
        ("clusters/prod/flux-system/gotk-sync.yaml", &sync("./clusters/prod")),
        ("clusters/prod/flux-system/kustomization.yaml", "resources: [gotk-sync.yaml]\n"),
        ("clusters/prod/apps.yaml", &sync("./apps/prod")),
        ("clusters/prod/p.yaml", POD),
        ("clusters/prod/away.yaml", &sync("./elsewhere")),
        ("apps/prod/kustomization.yaml", "resources: [../base]\nimages: [{name: e.io/a, newTag: \"9\"}]\n"),
        ("apps/base/kustomization.yaml", "resources: [p.yaml]\n"),
        ("apps/base/p.yaml", POD),
    ]);
    let found: Vec<String> = rows.iter().map(|row| format!("{} {}", row.root, row.reference)).collect();
    let expected = [
        "apps/prod e.io/b:1",
        "apps/prod e.io/a:9",
        "clusters/prod ./elsewhere",
        "clusters/prod e.io/a:1",
        "clusters/prod e.io/b:1",
    ];
    let (mut found, mut expected) = (found, expected.map(str::to_owned).to_vec());
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{rows:#?}");
}

#[test]
fn a_release_of_flux_has_a_chart_and_values_from_where_they_stand() {
    let rows = of(&[
        (
            "kustomization.yaml",
            "resources: [r.yaml]\nconfigMapGenerator:\n- name: vals\n  files: [values.yaml=v.yaml]\n  literals: [tag=7]\n",
        ),
        ("v.yaml", "app:\n  image:\n    repository: e.io/app\n    tag: old\n  sidecarImage: e.io/side:1\n"),
        (
            "r.yaml",
            "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: repo}\nspec: {url: \"oci://e.io/charts/\"}\n---\n\
             apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: r}\nspec:\n  chart:\n    spec:\n      chart: app\n      \
             version: 1.2.3\n      sourceRef: {kind: HelmRepository, name: repo}\n  valuesFrom:\n  - {kind: ConfigMap, name: vals}\n  \
             - {kind: ConfigMap, name: vals, valuesKey: tag, targetPath: app.image.tag}\n  values:\n    off: {enabled: false, image: \"e.io/off:1\"}\n    \
             num: {image: {repository: e.io/num, tag: 1.10}}\n    text: |\n      x: 1\n      image: e.io/text:1\n  postRenderers: [{kustomize: {images: [{name: e.io/x, newName: e.io/y, newTag: v1}]}}]\n---\n\
             apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {name: o}\nspec: {url: \"oci://e.io/m\", ref: {semver: \"1.x\", tag: a}}\n",
        ),
    ]);
    let expected = [
        "chart e.io/charts/app:1.2.3 certain r.yaml:12,r.yaml:13,r.yaml:4",
        "image e.io/num:1.1 inferred r.yaml:20",
        "image e.io/y:v1 inferred r.yaml:24",
        "image e.io/text:1 inferred r.yaml:23",
        "oci e.io/m:1.x inferred r.yaml:29",
        "image e.io/app:7 inferred v.yaml:3,kustomization.yaml:5",
        "image e.io/side:1 inferred v.yaml:5",
    ];
    let (mut found, mut expected) = (full(&rows), expected.map(str::to_owned).to_vec());
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{rows:#?}");
    assert!(rows.iter().any(|row| row.confidence == "opaque" && row.places == ["r.yaml:12"]), "{rows:#?}");
}

#[test]
fn what_is_rendered_is_renamed_and_no_image_is_left_under_its_old_name() {
    let rows = of(&[(
        "r.yaml",
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: r}\nspec:\n  values:\n    \
         image: {repository: nginx, tag: 1.2.3}\n    side: {image: {repository: e.io/side}}\n    other: {image: \"e.io/other:1\"}\n  \
         postRenderers:\n  - kustomize:\n      images:\n      - {name: nginx, newName: p.io/nginx}\n      \
         - {name: e.io/side, newTag: v2}\n      - {name: e.io/unseen, newTag: v3}\n",
    )]);
    let mut found = full(&rows);
    found.sort();
    let expected = [
        "image e.io/other:1 inferred r.yaml:8",
        "image e.io/side:v2 inferred r.yaml:7,r.yaml:13",
        "image e.io/unseen:v3 inferred r.yaml:14",
        "image p.io/nginx:1.2.3 inferred r.yaml:6,r.yaml:12",
    ];
    assert_eq!(found, expected, "{rows:#?}");
}

#[test]
fn a_set_of_the_operator_of_flux_makes_its_objects_for_each_of_its_inputs() {
    let rows = of(&[
        (
            "a.yaml",
            "apiVersion: fluxcd.controlplane.io/v1\nkind: ResourceSet\nmetadata: {name: s}\nspec:\n  inputs:\n  - tag: v1\n  \
             - tag: v2\n  resources:\n  - apiVersion: source.toolkit.fluxcd.io/v1\n    kind: OCIRepository\n    \
             metadata: {name: o}\n    spec: {url: \"oci://e.io/o\", ref: {tag: 1.0.0}}\n  - apiVersion: v1\n    kind: Pod\n    \
             metadata: {name: \"p-<< inputs.tag >>\"}\n    spec: {containers: [{image: \"e.io/p:<< inputs.tag >>\"}, \
             {image: \"e.io/q:<< inputs.other >>\"}]}\n",
        ),
        (
            "b.yaml",
            "apiVersion: fluxcd.controlplane.io/v1\nkind: ResourceSet\nmetadata: {name: t}\nspec:\n  \
             resourcesTemplate: |\n    kind: Pod\n    image: e.io/t:1\n---\n\
             apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata: {name: flux}\nspec:\n  distribution:\n    \
             registry: e.io/fluxcd\n    artifact: oci://e.io/flux-operator-manifests:v0.53.0\n",
        ),
    ]);
    let expected = [
        "image e.io/fluxcd opaque b.yaml:14",
        "image e.io/p:v1 certain a.yaml:16,a.yaml:6",
        "image e.io/p:v2 certain a.yaml:16,a.yaml:7",
        "image e.io/q:<< inputs.other >> unresolved a.yaml:16",
        "image e.io/t:1 inferred b.yaml:7",
        "image t opaque b.yaml:6",
        "oci e.io/flux-operator-manifests:v0.53.0 certain b.yaml:15",
        "oci e.io/o:1.0.0 certain a.yaml:12",
    ];
    let mut found: Vec<String> = rows
        .iter()
        .map(|row| format!("{} {} {} {}", row.class, row.reference, row.confidence, row.places.join(",")))
        .collect();
    found.sort();
    assert_eq!(found, expected, "{rows:#?}");
}

#[test]
fn an_artifact_that_was_made_of_a_folder_is_found_in_the_tree() {
    let order = |name: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}}}\nspec:\n  \
             path: ./apps/{name}\n  sourceRef: {{kind: OCIRepository, name: all}}\n  postBuild: {{substitute: {{TAG: \"{name}\"}}}}\n"
        )
    };
    let pod = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{image: \"e.io/{name}:${{TAG}}\"}}]}}\n"
        )
    };
    let orders = format!("{}---\n{}---\n{}", order("a"), order("b"), order("gone"));
    let (a, b) = (pod("a"), pod("b"));
    let rows = of(&[("deploy/orders.yaml", &orders), ("deploy/apps/a/p.yaml", &a), ("deploy/apps/b/p.yaml", &b)]);
    let found: Vec<String> =
        rows.iter().map(|row| format!("{} {} {}", row.root, row.reference, row.confidence)).collect();
    let expected = ["- ./apps/gone opaque", "deploy/apps/a e.io/a:a certain", "deploy/apps/b e.io/b:b certain"];
    assert_eq!(found, expected, "{rows:#?}");
    // One alone may be of any repository.
    let one = order("a");
    let rows = of(&[("deploy/orders.yaml", &one), ("deploy/apps/a/p.yaml", &a)]);
    assert_eq!(short(&rows), ["e.io/a:${TAG} unresolved", "./apps/a opaque"], "{rows:#?}");
}

#[test]
fn the_version_in_a_chart_is_the_tag_that_its_templates_take_it_for() {
    let chart = |template: &str, values: &str| {
        let rows = of(&[
            ("chart/Chart.yaml", "name: c\nappVersion: \"1.2\"\n"),
            ("chart/values.yaml", values),
            ("chart/templates/d.yaml", template),
            (
                "chart/templates/_h.tpl",
                "{{ define \"c.image\" }}{{ if true }}{{ .Values.image.repository }}{{ end }}{{ end }}\n",
            ),
        ]);
        full(&rows)
    };
    let image = "image: {repository: e.io/c, tag: \"\"}\n";
    let two = format!("{image}job: {{image: {{repository: e.io/j}}}}\nglobal: {{imageTag: v3}}\n");
    let helper = "image: {{ include \"c.image\" . }}\n";
    let looks = format!("{helper}# {{{{ .Values.image.tag | default .Chart.AppVersion }}}}\n");
    assert_eq!(chart(&looks, image), ["image e.io/c:1.2 inferred chart/values.yaml:1,chart/Chart.yaml:2"]);
    // Nobody looks at it; or it may be the tag of the one or of the other.
    assert_eq!(chart(helper, image), ["image e.io/c:? unresolved chart/values.yaml:1"]);
    let open = chart(&looks, &two);
    assert!(open.iter().all(|row| row.contains(":? unresolved")), "{open:?}");
    // A tag for all is the tag of both.
    let all = format!("{helper}# {{{{ .Values.global.imageTag }}}}\n");
    let expected = [
        "image e.io/c:v3 inferred chart/values.yaml:1,chart/values.yaml:3",
        "image e.io/j:v3 inferred chart/values.yaml:2,chart/values.yaml:3",
    ];
    assert_eq!(chart(&all, &two), expected);
}

#[test]
fn a_template_says_how_an_image_is_put_together() {
    let chart = |templates: &str| {
        let rows = of(&[
            ("chart/Chart.yaml", "name: c\nappVersion: \"1.2\"\n"),
            (
                "chart/values.yaml",
                "images: {repository: e.io/all, tag: \"\"}\nweb: {name: web}\nold: {enabled: false, name: old}\nglobal: {imageRegistry: g.io}\n\
                 db: {image: {repository: mysql, tag: 8.10}}\n",
            ),
            ("chart/templates/d.yaml", templates),
        ]);
        full(&rows)
    };
    let name = |of: &str| {
        format!(
            "image: \"{{{{ .Values.images.repository }}}}/{{{{ $.Values.{of}.name }}}}:{{{{ .Values.images.tag | default .Chart.AppVersion }}}}\"\n"
        )
    };
    let all = format!(
        "- {}{{{{- if .Values.old.enabled }}}}\n- {}{{{{- end }}}}\n- image: {{{{- .Values.images.repository | quote -}}}}/fixed:{{{{ default \"3\" .Values.images.none }}}}\n- {}",
        name("web"),
        name("old"),
        "image: {{ .Values.db.image.repository }}:{{ .Values.db.image.tag }}\n"
    );
    let expected = [
        "image e.io/all/fixed:3 inferred chart/values.yaml:1,chart/templates/d.yaml:5",
        "image e.io/all/web:1.2 inferred chart/values.yaml:1,chart/values.yaml:2,chart/Chart.yaml:2",
        "image docker.io/library/mysql:8.1 inferred chart/values.yaml:5",
    ];
    let (mut found, mut expected) = (chart(&all), expected.to_vec());
    found.sort();
    expected.sort_unstable();
    assert_eq!(found, expected);
    // What a helper makes of the same values may be another image: nothing is left out.
    let found = chart(&format!("{all}- image: {{{{ include \"x\" . }}}}\n"));
    assert!(found.iter().any(|row| row.contains("g.io/mysql:8.1")), "{found:#?}");
    assert!(found.iter().any(|row| row.contains("docker.io/library/mysql:8.1")), "{found:#?}");
}

#[test]
fn a_chart_in_the_tree_is_read_with_the_values_of_its_release() {
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nspec:\n  \
        chart: {spec: {chart: ./chart, sourceRef: {kind: GitRepository}}}\n  values: {image: \"e.io/c:2\"}\n";
    let chart =
        [("chart/Chart.yaml", "name: c\n"), ("chart/values.yaml", "image: e.io/c:1\njob: {image: \"e.io/j:1\"}\n")];
    let rows = of(&[chart[0], chart[1], ("r.yaml", release)]);
    assert_eq!(full(&rows), ["image e.io/j:1 inferred chart/values.yaml:2", "image e.io/c:2 inferred r.yaml:5"]);
    // Files of the source go below what the release says, and no others count.
    let prod = ("chart/values-prod.yaml", "image: e.io/c:3\njob: {image: \"e.io/j:3\"}\n");
    let dev = ("chart/values-dev.yaml", "image: e.io/c:4\n");
    let by_file = release.replace("chart: ./chart,", "chart: ./chart, valuesFiles: [chart/values-prod.yaml],");
    let rows = of(&[chart[0], chart[1], prod, dev, ("r.yaml", &by_file)]);
    assert_eq!(full(&rows), ["image e.io/j:3 inferred chart/values-prod.yaml:2", "image e.io/c:2 inferred r.yaml:5"]);
    let bare = release.split("  values").next().unwrap();
    let rows = of(&[chart[0], chart[1], prod, dev, ("r.yaml", bare)]);
    assert_eq!(short(&rows), ["e.io/c:1 inferred", "e.io/j:1 inferred"]);
    // Nobody names it: it stands for itself.
    let rows = of(&chart);
    assert_eq!(short(&rows), ["e.io/c:1 inferred", "e.io/j:1 inferred"]);
    assert!(rows.iter().all(|row| row.root == "chart"), "{rows:#?}");
}

#[test]
fn argo_builds_folders_and_charts_and_sets_make_applications() {
    let rows = of(&[
        ("apps/shop/p.yaml", POD),
        ("deploy/kustomization.yaml", "resources: [p.yaml]\n"),
        ("deploy/p.yaml", &POD.replace("e.io", "k.io")),
        ("chart/Chart.yaml", "name: c\ndependencies:\n- {name: redis, version: 1.0.0, repository: \"https://c.io\"}\n"),
        ("chart/requirements.yaml", "dependencies: [{name: old, version: 2.0.0, repository: \"https://c.io\"}]\n"),
        ("chart/values.yaml", "image: {repository: e.io/chart, tag: \"1\"}\n"),
        ("chart/templates/d.yaml", "spec:\n  containers:\n  - image: {{ .Values.image }}\n  - image: e.io/literal:1\n"),
        (
            "argo.yaml",
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec:\n  sources:\n  - path: deploy\n    \
             kustomize: {images: [\"k.io/a=prod.io/a:2\"]}\n  - path: chart\n    helm: {parameters: [{name: image.tag, value: \"3\"}]}\n  \
             - chart: remote\n    repoURL: https://charts.io\n    targetRevision: 2.x\n    helm:\n      values: |\n        image: e.io/inner:1\n  \
             - path: gone\n---\n\
             apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: s}\nspec:\n  generators: [{git: {directories: [{path: \"apps/*\"}]}}]\n  \
             template: {spec: {source: {path: \"{{path}}\"}}}\n",
        ),
    ]);
    let mut found: Vec<String> =
        rows.iter().map(|row| format!("{} {} {} {}", row.root, row.class, row.reference, row.confidence)).collect();
    let mut expected = [
        "apps/shop image e.io/a:1 certain",
        "apps/shop image e.io/b:1 certain",
        "deploy image prod.io/a:2 certain",
        "deploy image k.io/b:1 certain",
        "chart image e.io/chart:3 inferred",
        "chart image e.io/literal:1 inferred",
        // Its template writes a mapping, which is no image.
        "chart image chart opaque",
        "chart chart https://c.io/redis:1.0.0 certain",
        "chart image redis opaque",
        "chart chart https://c.io/old:2.0.0 certain",
        "chart image old opaque",
        "- chart https://charts.io/remote:2.x inferred",
        "- image remote opaque",
        "- image e.io/inner:1 inferred",
        "- image gone opaque",
    ]
    .map(str::to_owned)
    .to_vec();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{rows:#?}");
    let inner = rows.iter().find(|row| row.reference == "e.io/inner:1").unwrap();
    assert_eq!(inner.places, ["argo.yaml:15"]);
}

#[test]
fn an_artifact_is_read_like_a_folder_and_refused_when_it_is_not_intact() {
    let world = World::new();
    world.repo("source").commit("main", &[crate::support::repos::put("apps/p.yaml", POD)]);
    let artifact = world.package("main");
    let run = world.run(&["images", text(&artifact)]).is(0, "reported");
    let found = short(&rows(&run.json));
    assert!(found.contains(&"e.io/a:1 certain".to_owned()), "{run:#?}");
    assert_eq!(run.text("digest"), world.digest(&artifact));

    let output = world.command().args(["images", "--tsv", text(&artifact)]).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("image\te.io/a:1\tcertain\tapps/p.yaml:4\n"), "{shown}");
    let output = world.command().args(["images", text(&artifact)]).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("e.io/a:1") && shown.contains("certain"), "{shown}");

    let mut bytes = fs::read(&artifact).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&artifact, bytes).unwrap();
    world.run(&["images", text(&artifact)]).is(4, "artifact-refused");
    world.run(&["images", "--tsv", text(&artifact)]).is(2, "usage");
    world.run(&["images", "nowhere"]).is(1, "failed");
}

#[test]
fn compose_files_count_where_somebody_asks_for_them() {
    let world = World::empty();
    let folder = world.path().join("tree");
    let compose = "x-web: &web {image: \"e.io/web:${TAG}\"}\ninclude: [more.yml, {path: gone.yml}]\nservices:\n  a: *web\n  \
                   b: {<<: *web, build: .}\n  c: {build: .}\n  d: {image: \"e.io/d:${D:-7}\"}\n  e: {image: \"e.io/e:$E\"}\n  \
                   f: {extends: {file: base.yml, service: f}}\n  g: {image: redis, volumes: [{type: image, source: \"e.io/v:1\"}]}\n  \
                   h: {image: \"e.io/h:${H:?say it}\"}\n";
    for (path, content) in [
        ("docker-compose.prod.yml", compose),
        (".env", "# of all\nexport TAG=\"2\"\n"),
        ("base.yml", "services: {f: {image: \"e.io/f:1\"}}\n"),
        ("more.yml", "services: {m: {image: \"e.io/m:1\"}}\n"),
        ("sub/compose.yaml", "services: {s: {image: \"e.io/s:1\"}}\n"),
        ("composed.yaml", "services: {n: {image: \"e.io/no:1\"}}\n"),
    ] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let plain = rows(&world.run(&["images", text(&folder)]).is(0, "reported").json);
    assert!(plain.is_empty(), "{plain:#?}");
    let rows = rows(&world.run(&["images", text(&folder), "--compose"]).is(0, "reported").json);
    let mut found: Vec<String> =
        rows.iter().map(|row| format!("{} {} {}", row.root, row.reference, row.confidence)).collect();
    found.sort();
    let expected = [
        ". docker.io/library/redis:latest certain",
        ". e.io/d:7 inferred",
        ". e.io/e:? unresolved",
        ". e.io/f:1 certain",
        ". e.io/h:? unresolved",
        ". e.io/m:1 certain",
        ". e.io/v:1 certain",
        ". e.io/web:2 inferred",
        ". gone.yml opaque",
        "sub e.io/s:1 certain",
    ];
    assert_eq!(found, expected);
    let web = rows.iter().find(|row| row.reference == "e.io/web:2").unwrap();
    assert_eq!(web.places, ["docker-compose.prod.yml:1", ".env:2"]);
}
