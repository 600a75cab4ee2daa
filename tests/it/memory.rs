//! Large listings, and small trees that would make much of little: what the binary needs for them is bounded, whether it accepts
//! or refuses them.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use passgate::domain::artifact::{FORMAT, Manifest, Source, digest_of, folders_of};
use passgate::domain::id::{BlobId, Sha256};
use passgate::domain::listing::{File, FileMode};
use passgate::domain::object::{Kind, id_of};
use sha2::Digest as _;

use crate::images::{POD, rows, short};
use crate::registry::{Yard, deployment};
use crate::support::registry::Wrong;
use crate::support::{Run, World, put, text};

// Of what a zip may list, and of the 200 MB that it may take for that, a sixteenth; and what any run needs.
const FILES: usize = 4_000;
const ENOUGH_KIB: u64 = (12 << 10) + (32 << 10);

// Paths of about 950 bytes, 64 deep, which have nothing but their first folder in common.
fn deep(count: usize) -> Vec<String> {
    let part = |file: usize, level: usize| format!("{file:05}-{level:02}-abcde");
    (0..count).map(|file| (1..64).fold("apps".to_owned(), |path, level| path + "/" + &part(file, level))).collect()
}

fn manifest_of(paths: &[String]) -> Manifest {
    let file = |path: &String| File {
        path: path.clone(),
        mode: FileMode::Regular,
        size: 0,
        sha256: Sha256(sha2::Sha256::digest(b"").into()),
        blob: BlobId(id_of(Kind::Blob, b"").unwrap()),
    };
    let files: Vec<File> = paths.iter().map(file).collect();
    Manifest {
        format: FORMAT.to_owned(),
        unit: "shop".parse().unwrap(),
        digest: digest_of(&files),
        folders: folders_of(&["apps".to_owned()], &files).unwrap(),
        source: Source {
            repository: "https://github.com/acme/shop".parse().unwrap(),
            commit: "0123456789012345678901234567890123456789".parse().unwrap(),
            committed: "2024-05-06T07:08:09Z".to_owned(),
        },
        version: None,
        files,
    }
}

// A zip of a manifest and empty files, everything stored.
fn zip(world: &World, name: &str, manifest: &[u8], paths: &[String]) -> PathBuf {
    let (mut out, mut central) = (Vec::new(), Vec::new());
    let files = paths.iter().map(|path| (path.as_str(), &b""[..]));
    for (name, content) in [("passgate.json", manifest)].into_iter().chain(files) {
        let mut common = [10_u16, 0, 0, 0, 0x21].map(u16::to_le_bytes).concat();
        let size = u32::try_from(content.len()).unwrap();
        common.extend([crc32fast::hash(content), size, size].map(u32::to_le_bytes).concat());
        common.extend([u16::try_from(name.len()).unwrap(), 0].map(u16::to_le_bytes).concat());
        central.extend([&b"PK\x01\x02"[..], &0x30a_u16.to_le_bytes(), &common, &[0; 6]].concat());
        central.extend([0o100_644 << 16, u32::try_from(out.len()).unwrap()].map(u32::to_le_bytes).concat());
        central.extend(name.as_bytes());
        out.extend([&b"PK\x03\x04"[..], &common, name.as_bytes(), content].concat());
    }
    let count = u16::try_from(paths.len() + 1).unwrap();
    let end = [central.len(), out.len()].map(|n| u32::try_from(n).unwrap().to_le_bytes()).concat();
    let counts = [0, 0, count, count].map(u16::to_le_bytes).concat();
    let file = world.path().join(name);
    fs::write(&file, [out, central, b"PK\x05\x06".to_vec(), counts, end, vec![0, 0]].concat()).unwrap();
    file
}

// Runs a command, and gives the most memory that it had at once, in KiB.
fn peak(mut command: Command) -> (Run, u64) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let status = format!("/proc/{}/status", child.id());
    let reader = std::thread::spawn(move || {
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        stdout.read_to_end(&mut out).unwrap();
        stderr.read_to_end(&mut errors).unwrap();
        (out, errors)
    });
    let mut most = 0;
    let status = loop {
        // The system keeps the most; it only has to be read before the end.
        let seen = fs::read_to_string(&status).unwrap_or_default();
        let line = seen.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        most = most.max(line.unwrap_or(0));
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let (stdout, stderr) = reader.join().unwrap();
    (Run::of(std::process::Output { status, stdout, stderr }), most)
}

#[test]
fn a_large_listing_is_refused_or_accepted_within_bounds() {
    let world = World::new();
    let paths = deep(FILES);
    let good = manifest_of(&paths);
    let bytes = good.to_bytes().unwrap();
    let mut other = good.clone();
    other.digest = manifest_of(&paths[1..]).digest;
    // The last path in capital letters.
    let mut double = paths.clone();
    double.insert(0, paths[FILES - 1].to_uppercase().replace("APPS/", "apps/"));
    let cases = [
        (
            "unlisted.zip",
            zip(&world, "unlisted.zip", &manifest_of(&paths[..1]).to_bytes().unwrap(), &paths),
            "not listed",
        ),
        ("digest.zip", zip(&world, "digest.zip", &other.to_bytes().unwrap(), &paths), "digest"),
        (
            "double.zip",
            zip(&world, "double.zip", &manifest_of(&sorted(double.clone())).to_bytes().unwrap(), &sorted(double)),
            "collides",
        ),
    ];
    for (name, file, words) in cases {
        let mut command = world.command();
        command.args(["release", text(&file), "--to", &world.to("dev"), "--json"]);
        let before = world.snapshot();
        let (run, most) = peak(command);
        run.is(4, "artifact-refused").closed_by("artifact", words);
        assert_eq!(before, world.snapshot());
        assert!((1..ENOUGH_KIB).contains(&most), "{name}: {most} KiB");
    }
    let file = zip(&world, "good.zip", &bytes, &paths);
    let mut command = world.command();
    command.args(["inspect", text(&file), "--json"]);
    let (run, most) = peak(command);
    let run = run.is(0, "inspected");
    assert_eq!(run.json["manifest"]["files"].as_array().unwrap().len(), FILES);
    assert!((1..ENOUGH_KIB).contains(&most), "good.zip: {most} KiB");
}

fn sorted(mut paths: Vec<String>) -> Vec<String> {
    paths.sort();
    paths
}

// Of a tree that is made to exhaust whoever looks: it takes no more memory than any, ends, and what is left out is told.
fn ends(files: &[(&str, &str)], expected: &[&str]) {
    let world = World::empty();
    let tree = world.path().join("tree");
    for (path, content) in files {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let mut command = world.command();
    command.args(["images", text(&tree), "--json"]);
    let began = std::time::Instant::now();
    let (run, most) = peak(command);
    let found = short(&rows(&run.is(0, "reported").json));
    for row in expected {
        assert!(found.iter().any(|own| own == row), "{row} is not there: {:#?}", &found[..found.len().min(20)]);
    }
    assert!(most < 500 << 10, "{most} KiB");
    // A machine that runs all tests at once is slow.
    assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
}

fn pods(count: usize) -> String {
    let pod = |at: usize| POD.replace("{name: p}", &format!("{{name: p{at}, annotations: {{a: x/y}}}}")) + "---\n";
    (0..count).map(pod).collect()
}

#[test]
fn what_is_nested_deeper_than_files_may_be_is_refused() {
    let down = ["b"; 90].join("/");
    let inner = format!("{}1{}", "{b: ".repeat(91), "}".repeat(91));
    let nest: String = (0..100)
        .map(|_| {
            format!(
                "- {{op: move, from: /a, path: /t}}\n- {{op: add, path: /a, value: {inner}}}\n- {{op: move, from: /t, path: /a/{down}}}\n"
            )
        })
        .collect();
    let pod = format!("{POD}a: {{c: 1}}\n");
    let over = "resources: [p.yaml]\npatches: [{path: q.yaml, target: {kind: Pod}}]\n";
    ends(
        &[("kustomization.yaml", over), ("p.yaml", &pod), ("q.yaml", &nest)],
        &["e.io/a:1 certain", "patch unreadable"],
    );
    let each = format!(
        "- source: {{kind: Pod, fieldPath: a}}\n  targets: [{{select: {{kind: Pod}}, fieldPaths: [a.{}], options: {{create: true}}}}]\n",
        ["b"; 90].join(".")
    );
    let over = format!("resources: [p.yaml]\nreplacements:\n{}", each.repeat(100));
    ends(&[("kustomization.yaml", &over), ("p.yaml", &pod)], &["e.io/a:1 certain", "replacement unreadable"]);
    let labels = format!(
        "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {{name: t}}\nlabels: {{x: y}}\nfieldSpecs: [{{path: {}, create: true}}]\n",
        vec!["a"; 100_000].join("/")
    );
    let over = "resources: [p.yaml]\ntransformers: [t.yaml]\n";
    ends(
        &[("kustomization.yaml", over), ("p.yaml", POD), ("t.yaml", &labels)],
        &["e.io/a:1 certain", "LabelTransformer unreadable"],
    );
    let flow = format!("{}1{}", "[".repeat(150), "]".repeat(150));
    let deep = format!("apiVersion: a.io/v1\nkind: A\nspec: {}'${{S}}'{}\n", "{a: ".repeat(100), "}".repeat(100));
    let order = format!(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: k}}\nspec: {{path: ./a, postBuild: {{substitute: {{S: '{flow}'}}}}}}\n"
    );
    ends(&[("k.yaml", &order), ("a/a.yaml", &deep)], &["a unreadable"]);
    let set = format!(
        "apiVersion: fluxcd.controlplane.io/v1\nkind: ResourceSet\nmetadata: {{name: s}}\nspec:\n  inputs: [{{s: '{flow}'}}]\n  resources: [{}'<< inputs.s >>'{}]\n",
        "{a: ".repeat(100),
        "}".repeat(100)
    );
    ends(&[("s.yaml", &set)], &["s unreadable"]);
}

#[test]
fn components_that_include_each_other_twice_have_an_end() {
    let of = |at: usize| format!("kind: Component\ncomponents: [../c{at}, ../c{at}]\n");
    let layers: Vec<(String, String)> = (0..40).map(|at| (format!("c{at}/kustomization.yaml"), of(at + 1))).collect();
    let mut files: Vec<(&str, &str)> = layers.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
    let root = "resources: [p.yaml]\ncomponents: [c0]\n";
    let last = "kind: Component\nnamePrefix: x-\n";
    files.extend([("kustomization.yaml", root), ("p.yaml", POD), ("c40/kustomization.yaml", last)]);
    ends(&files, &["e.io/a:1 certain", "c1 unreadable"]);
    // So have variables of bases that are included twice.
    let vars = "vars: [{name: A, objref: {kind: Pod, name: p}}]\nresources: [p.yaml]\n";
    let of = |at: usize| format!("resources: [../b{at}, ../b{at}]\n");
    let layers: Vec<(String, String)> = (0..40).map(|at| (format!("b{at}/kustomization.yaml"), of(at + 1))).collect();
    let mut files: Vec<(&str, &str)> = layers.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
    files.extend([("b40/kustomization.yaml", vars), ("b40/p.yaml", POD)]);
    ends(&files, &["e.io/a:1 certain", "Pod p unreadable"]);
}

#[test]
fn patches_replacements_and_variables_copy_no_more_than_is_held() {
    let with = |more: &str| format!("resources: [p.yaml]\n{more}");
    let within: String = (0..60)
        .map(|at| format!("- source: {{kind: Pod, fieldPath: metadata}}\n  targets: [{{select: {{kind: Pod}}, fieldPaths: [metadata.x{at}], options: {{create: true}}}}]\n"))
        .collect();
    let text = "- source: {kind: Pod, fieldPath: metadata.annotations.a}\n  targets: [{select: {kind: Pod}, fieldPaths: [metadata.annotations.a], options: {delimiter: /, index: 0}}]\n";
    for replacements in [within, text.repeat(60)] {
        let over = with(&format!("replacements:\n{replacements}"));
        ends(&[("kustomization.yaml", &over), ("p.yaml", &pods(1))], &["replacement unreadable"]);
    }
    let patch = with("patches: [{path: q.yaml, target: {kind: Pod}}]\n");
    let many = "- {op: add, path: /x, value: 1}\n".repeat(20_000);
    let large = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: x}}\nlist: [{}]\n", "1,".repeat(20_000));
    for content in [many, large] {
        let files = [("kustomization.yaml", patch.as_str()), ("p.yaml", &pods(1000)), ("q.yaml", &content)];
        ends(&files, &["e.io/a:1 certain", "patch unreadable"]);
    }
    let all: String = (0..1500)
        .map(|at| {
            format!("- {{target: {{name: \"(.*)*x{at}\"}}, patch: '[{{\"op\": \"test\", \"path\": \"/x\"}}]'}}\n")
        })
        .collect();
    let over = with(&format!("patches:\n{all}"));
    let files = [("kustomization.yaml", over.as_str()), ("p.yaml", &pods(3000))];
    ends(&files, &["kustomization.yaml unreadable"]);
    let vars: String = (0..2000)
        .map(|at| {
            format!(
                "- {{name: V{at}, objref: {{kind: Pod, name: p0}}, fieldref: {{fieldpath: metadata.annotations.a}}}}\n"
            )
        })
        .collect();
    let uses = format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: q}}\nspec: {{containers: [{{image: e.io/q:1, args: [{}]}}]}}\n",
        format!("'{}',", "$(V1)".repeat(40)).repeat(2000)
    );
    let over = with(&format!("vars:\n{vars}"));
    let long = pods(1).replace("x/y", &"x".repeat(2000)) + &uses;
    ends(&[("kustomization.yaml", &over), ("p.yaml", &long)], &["p.yaml unreadable"]);
}

#[test]
fn what_everybody_uses_is_not_looked_at_without_end() {
    let template: String = (0..6000).map(|at| format!("- image: e.io/i{at}:1\n")).collect();
    let chart = [("c/Chart.yaml", "name: c\n"), ("c/templates/a.yaml", template.as_str())];
    let releases: String = (0..500)
        .map(|at| format!("---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: r{at}}}\nspec: {{chart: {{spec: {{chart: ./c, sourceRef: {{kind: GitRepository}}}}}}, values: {{a: {at}}}}}\n"))
        .collect();
    let applications: String = (0..500)
        .map(|at| format!("---\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: r{at}}}\nspec: {{source: {{path: c, helm: {{valuesObject: {{a: {at}}}}}}}}}\n"))
        .collect();
    for users in [releases, applications] {
        ends(&[chart[0], chart[1], ("r.yaml", &users)], &["e.io/i1:1 inferred", "c unreadable"]);
    }
    // Generators copy files, and what they make is looked at like any text.
    let generators: String = (0..2000).map(|at| format!("- {{name: g{at}, files: [large.txt]}}\n")).collect();
    let over = format!("configMapGenerator:\n{generators}");
    let large = "image: e.io/g:1\n".repeat(20_000);
    ends(&[("kustomization.yaml", &over), ("large.txt", &large)], &["kustomization.yaml unreadable"]);
    let bases: Vec<String> = (0..1000).map(|at| format!("o{at}/kustomization.yaml")).collect();
    let data: String = (0..10_000).map(|at| format!("    image: e.io/b{at}:1\n")).collect();
    let map = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata:\n  a: |\n{data}");
    let mut files: Vec<(&str, &str)> = bases.iter().map(|path| (path.as_str(), "resources: [../base]\n")).collect();
    files.extend([("base/kustomization.yaml", "resources: [c.yaml]\n"), ("base/c.yaml", &map)]);
    ends(&files, &["e.io/b1:1 inferred", "base/c.yaml unreadable"]);
    // So it is with what objects refer to.
    let maps = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n".repeat(3000);
    let sources = "{kind: ConfigMap, name: c}, ".repeat(1000);
    let release = format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: r}}\nspec: {{chart: {{spec: {{chart: x}}}}, valuesFrom: [{sources}]}}\n"
    );
    ends(&[("m.yaml", &maps), ("r.yaml", &release)], &["r.yaml unreadable"]);
}

#[test]
fn what_registries_and_chart_repositories_say_is_not_held_as_a_whole() {
    let yard = Yard::new("");
    yard.rules(&format!("  allow: [\"{}/**\"]\n", yard.prod.host));
    let release = format!(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {{name: repo}}\n\
         spec: {{url: \"http://{}/stable\"}}\n---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: r}}\n\
         spec: {{chart: {{spec: {{chart: web, version: 9.x, sourceRef: {{kind: HelmRepository, name: repo}}}}}}}}\n",
        yard.prod.host
    );
    let plan = |content: &str| {
        yard.world.repo("source").commit("main", &[put("apps/shop/d.yaml", content)]);
        let artifact = yard.world.package("main");
        let mut command = yard.world.command();
        command.args(["plan", text(&artifact), "--to", &yard.world.to("dev"), "--json"]);
        let (run, most) = peak(command);
        // Of which some 30 MiB are any run's.
        assert!((1..150 << 10).contains(&most), "{most} KiB: {run:#?}");
        run
    };
    let index = |charts: &str| format!("entries:\n{charts}  web:\n  - version: 9.1.0\n").into_bytes();
    let many = "  - {version: 1.0.1, urls: [a]}\n".repeat(60 << 15);
    yard.prod.has_file("/stable/index.yaml", &index(&format!("  db:\n{many}")));
    plan(&release).is(0, "planned");
    yard.prod.has_file("/stable/index.yaml", &index("").iter().copied().chain(many.bytes()).collect::<Vec<u8>>());
    let run = plan(&release).is(1, "undecided");
    assert!(run.gate("images")["detail"].as_str().unwrap().contains("more versions than are read"), "{run:#?}");
    // Lists of tags go on and on.
    let tags: Vec<String> = (0..490_000).map(|tag| format!("\"{tag:x}\"")).collect();
    let page = format!("{{\"tags\": [{}]}}", tags.join(",")).into_bytes();
    let again = vec![("Link", "</v2/more/tags/list>; rel=\"next\"".to_owned())];
    yard.prod.fail(Some(Wrong::Answers(vec![("/tags/", 200, again, page)])));
    let image = |name: &str| deployment(name, &format!("{}/shop/{name}:1", yard.prod.host));
    let images: Vec<String> = (0..20).map(|at| image(&format!("d{at}"))).collect();
    plan(&images.join("---\n")).is(3, "refused");
    let range = |at: usize| {
        format!(
            "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {{name: o{at}}}\n\
             spec: {{url: \"oci://{}/flux/o{at}\", ref: {{semver: 9.x}}}}\n",
            yard.prod.host
        )
    };
    let run = plan(&(0..20).map(range).collect::<Vec<_>>().join("---\n")).is(1, "undecided");
    assert!(run.gate("images")["detail"].as_str().unwrap().contains("longer than is read"), "{run:#?}");
}

#[test]
fn texts_that_are_repeated_and_what_does_not_end_have_an_end() {
    // Aliases of one large text.
    let many = format!("a: &a {}\nb:\n{}", "x".repeat(400_000), "- *a\n".repeat(100_000));
    ends(&[("a.yaml", &many)], &["a.yaml unreadable"]);
    // Suffixes upon suffixes.
    let entry = format!("- {{name: e.io/a, tagSuffix: -{}}}\n", "x".repeat(160));
    let over = format!("resources: [p.yaml]\nimages:\n{}", entry.repeat(4500));
    ends(&[("kustomization.yaml", &over), ("p.yaml", POD)], &["e.io/b:1 certain"]);
    // New tags for what may as well have another name.
    let entries: String = (0..4000).map(|at| format!("- {{name: docker.io/library/a, newTag: t{at}}}\n")).collect();
    let over = format!("helmCharts: [{{name: app, releaseName: app}}]\nimages:\n{entries}");
    let template = "apiVersion: v1\nkind: Pod\nmetadata: {name: c}\nspec: {containers: [{image: a:1}]}\n";
    let chart = [("charts/app/Chart.yaml", "name: app\n"), ("charts/app/templates/d.yaml", template)];
    ends(&[("kustomization.yaml", &over), chart[0], chart[1]], &["kustomization.yaml unreadable"]);
    // Variables that do not end.
    let order = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: k}\nspec: {path: ./a, postBuild: {substitute: {A: b}}}\n";
    for open in ["${".repeat(400_000), "${A:-".repeat(100_000)] {
        let pod =
            format!("{POD}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{a: \"{open}\"}}\n");
        ends(&[("k.yaml", order), ("a/p.yaml", &pod)], &["e.io/b:1 certain", "ConfigMap opaque"]);
    }
    // What bases could not look into, in all that include them.
    let missing: String = (0..10_000).map(|at| format!("- m{at}\n")).collect();
    let bases: Vec<String> = (0..2000).map(|at| format!("b{at}/kustomization.yaml")).collect();
    let over: String = (0..2000).map(|at| format!("- b{at}\n")).collect();
    let over = format!("resources:\n{missing}{over}");
    let base = "resources: [gone]\n";
    let mut files: Vec<(&str, &str)> = bases.iter().map(|path| (path.as_str(), base)).collect();
    files.push(("kustomization.yaml", &over));
    ends(&files, &["m1 unreadable"]);
    // Values with many images.
    let keys: String = (0..40_000).map(|at| format!("  k{at}Image: x/y\n")).collect();
    ends(&[("a.yaml", &format!("apiVersion: a.io/v1\nkind: A\nspec:\n{keys}"))], &["docker.io/x/y:latest inferred"]);
}
