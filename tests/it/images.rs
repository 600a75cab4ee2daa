//! `images`: the references that a tree deploys, by the real binary.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{World, text};

/// One line of `--json`.
#[derive(Debug, Clone)]
struct Row {
    root: String,
    class: String,
    reference: String,
    confidence: String,
    places: Vec<String>,
}

fn rows(json: &serde_json::Value) -> Vec<Row> {
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
fn of(files: &[(&str, &str)]) -> Vec<Row> {
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
fn short(rows: &[Row]) -> Vec<String> {
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
