//! Artifacts that say more than the environment applies: nothing of that makes the gate look at less.

use crate::registry::{Yard, deployment};
use crate::support::{del, put, text};

const FLUX: &str =
    "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: a, namespace: flux}\n";

/// What an artifact has besides `apps/prod`, which deploys an image that the registry lacks.
struct Decoy {
    what: &'static str,
    files: Vec<(&'static str, String)>,
    /// Whether only a policy that names the folder can know better.
    needs_roots: bool,
}

fn decoys(good: &str, bad: &str) -> Vec<Decoy> {
    let over = |name: &str| format!("resources: [{name}]\n");
    let rename = format!("images: [{{name: {}, newName: {}, newTag: \"1\"}}]", cut(bad), cut(good));
    let plain = || vec![("apps/prod/kustomization.yaml", over("d.yaml")), ("apps/prod/d.yaml", deployment("d", bad))];
    let loose = || vec![("apps/prod/d.yaml", deployment("d", bad))];
    let with = |mut files: Vec<(&'static str, String)>, more: Vec<(&'static str, String)>| {
        files.extend(more);
        files
    };
    let order = format!("{FLUX}spec: {{path: ./apps/prod, {rename}}}\n");
    let argo = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: a}}\n\
         spec: {{source: {{path: apps/prod, kustomize: {{images: [\"{}={good}\"]}}}}}}\n",
        cut(bad)
    );
    let chart = || {
        vec![
            ("apps/prod/Chart.yaml", "{apiVersion: v2, name: x, version: 1.0.0}\n".to_owned()),
            ("apps/prod/values.yaml", format!("image: {{repository: {}, tag: \"2\"}}\n", cut(bad))),
            ("apps/prod/templates/d.yaml", deployment("d", "{{ .Values.image.repository }}:{{ .Values.image.tag }}")),
        ]
    };
    let release = format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: a}}\n\
         spec: {{chart: {{spec: {{chart: ./apps/prod, sourceRef: {{kind: GitRepository, name: r}}}}}}, \
         values: {{image: {{repository: {}, tag: \"1\"}}}}}}\n",
        cut(good)
    );
    let decoy = |what, files, needs_roots| Decoy { what, files, needs_roots };
    vec![
        decoy("a Kustomization that nobody applies", with(plain(), vec![("apps/fake/k.yaml", order.clone())]), false),
        decoy("the same for manifests alone", with(loose(), vec![("apps/fake/k.yaml", order)]), false),
        decoy("an Application that nobody applies", with(plain(), vec![("apps/fake/a.yaml", argo)]), false),
        decoy("values that nobody gives", with(chart(), vec![("apps/fake/r.yaml", release)]), false),
        decoy(
            "an overlay that nobody builds",
            with(plain(), vec![("apps/fake/kustomization.yaml", format!("{}{rename}\n", over("../prod")))]),
            true,
        ),
        decoy(
            "an overlay that takes all out, and has something else",
            with(
                plain(),
                vec![
                    (
                        "apps/fake/kustomization.yaml",
                        format!(
                            "{}patches: [{{patch: \"{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: d}}, $patch: delete}}\"}}]\n",
                            over("../prod, e.yaml")
                        ),
                    ),
                    ("apps/fake/e.yaml", deployment("e", good)),
                ],
            ),
            true,
        ),
        decoy(
            "an overlay over the file alone",
            with(loose(), vec![("apps/fake/kustomization.yaml", format!("{}{rename}\n", over("../prod/d.yaml")))]),
            true,
        ),
        decoy(
            "a folder that is called a component",
            vec![
                ("apps/prod/kustomization.yaml", format!("kind: Component\n{}", over("d.yaml"))),
                ("apps/prod/d.yaml", deployment("d", bad)),
            ],
            false,
        ),
        decoy(
            "a generator that takes the manifest for data",
            with(
                loose(),
                vec![("apps/kustomization.yaml", "configMapGenerator: [{name: x, files: [prod/d.yaml]}]\n".to_owned())],
            ),
            false,
        ),
        decoy(
            "a declaration",
            with(
                plain(),
                vec![
                    ("apps/fake/kustomization.yaml", format!("{}{rename}\n", over("../prod"))),
                    ("apps/prod/images.lock", format!("{good}\n")),
                ],
            ),
            true,
        ),
        decoy(
            "an overlay over a folder within",
            vec![
                ("apps/prod/sub/kustomization.yaml", over("d.yaml")),
                ("apps/prod/sub/d.yaml", deployment("d", bad)),
                ("apps/fake/kustomization.yaml", format!("{}{rename}\n", over("../prod/sub"))),
            ],
            true,
        ),
        decoy(
            "a chart in the folder",
            with(
                plain(),
                vec![
                    ("apps/prod/Chart.yaml", "name: x\n".to_owned()),
                    ("apps/fake/kustomization.yaml", format!("{}{rename}\n", over("../prod"))),
                ],
            ),
            true,
        ),
        decoy(
            "the same without a kustomization",
            with(loose(), vec![("apps/prod/Chart.yaml", "name: x\n".to_owned())]),
            false,
        ),
        decoy(
            "a kustomization in a chart",
            with(
                chart(),
                vec![("apps/prod/kustomization.yaml", over("e.yaml")), ("apps/prod/e.yaml", deployment("e", good))],
            ),
            false,
        ),
        decoy("a chart above", with(loose(), vec![("apps/Chart.yaml", "name: x\n".to_owned())]), false),
    ]
}

// A reference without its tag.
fn cut(reference: &str) -> &str {
    reference.rsplit_once(':').unwrap().0
}

#[test]
fn what_nobody_applies_hides_no_image() {
    for more in ["", "  roots: [apps/prod]\n  strict: true\n"] {
        let yard = Yard::new(more);
        yard.dev.has("shop/good", "1", "same");
        yard.prod.has("shop/good", "1", "same");
        let (good, bad) = (yard.image("shop/good:1"), yard.image("shop/bad:2"));
        for decoy in decoys(&good, &bad).into_iter().filter(|decoy| !more.is_empty() || !decoy.needs_roots) {
            eprintln!("{}{more}", decoy.what);
            let source = yard.world.repo("source");
            let files = decoy.files.iter().map(|(path, content)| put(path, content));
            source.commit("main", &[del("apps")].into_iter().chain(files).collect::<Vec<_>>());
            let artifact = yard.world.package("main");
            yard.refuses(&artifact, "shop/bad:2");
        }
    }
}

#[test]
fn variables_come_from_what_the_environment_applies() {
    let yard = Yard::new("  roots: [apps/clusters/prod]\n  strict: true\n");
    yard.dev.has("shop/web", "1", "same");
    yard.prod.has("shop/web", "1", "same");
    let order = format!(
        "{FLUX}spec: {{path: ./apps/base, postBuild: {{substituteFrom: [{{kind: ConfigMap, name: settings}}]}}}}\n"
    );
    let settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: flux}\ndata: {TAG: \"1\"}\n";
    let edits = [
        put("apps/clusters/prod/kustomization.yaml", "resources: [order.yaml]\n"),
        put("apps/clusters/prod/order.yaml", &order),
        put("apps/base/web.yaml", &deployment("web", &yard.image("shop/web:${TAG}"))),
        put("apps/fake/settings.yaml", settings),
    ];
    yard.world.repo("source").commit("main", &edits);
    // Settings that nobody applies say nothing of what nobody can see.
    yard.refuses(&yard.world.package("main"), "shop/web:? (");
    let both = [
        put("apps/clusters/prod/kustomization.yaml", "resources: [order.yaml, settings.yaml]\n"),
        put("apps/clusters/prod/settings.yaml", settings),
        put("apps/fake/settings.yaml", &settings.replace("\"1\"", "\"2\"")),
    ];
    yard.world.repo("source").commit("main", &both);
    yard.release(&yard.world.package("main")).is(0, "released");
}

#[test]
fn what_the_environment_itself_says_of_a_folder_counts_alone() {
    let yard = Yard::new("  roots: [apps/prod]\n  context: [cluster/prod]\n");
    yard.dev.has("shop/web", "2", "same");
    yard.prod.has("shop/web", "2", "same");
    let order =
        format!("{FLUX}spec: {{path: ./apps/prod, images: [{{name: {}, newTag: \"2\"}}]}}\n", yard.image("shop/web"));
    yard.world.env("dev").commit("main", &[put("cluster/prod/order.yaml", &order)]);
    let edits = [
        put("apps/prod/kustomization.yaml", "resources: [d.yaml]\n"),
        put("apps/prod/d.yaml", &deployment("d", &yard.image("shop/web:1"))),
    ];
    yard.world.repo("source").commit("main", &edits);
    let artifact = yard.world.package("main");
    let shown = yard.world.run(&["images", text(&artifact), "--to", &yard.world.to("dev")]).is(0, "reported");
    let rows = crate::images::rows(&shown.json);
    assert!(rows.iter().all(|row| row.reference.ends_with("shop/web:2")), "{rows:#?}");
    yard.release(&artifact).is(0, "released");
}

#[test]
fn a_folder_that_only_the_artifact_explains_is_told_with_the_way_out() {
    let yard = Yard::new("");
    yard.dev.has("shop/web", "2", "same");
    yard.prod.has("shop/web", "2", "same");
    let order =
        format!("{FLUX}spec: {{path: ./apps/base, images: [{{name: {}, newTag: \"2\"}}]}}\n", yard.image("shop/web"));
    let edits = [
        put("apps/clusters/prod/order.yaml", &order),
        put("apps/base/kustomization.yaml", "resources: [d.yaml]\n"),
        put("apps/base/d.yaml", &deployment("d", &yard.image("shop/web:1"))),
    ];
    yard.world.repo("source").commit("main", &edits);
    let artifact = yard.world.package("main");
    let run = yard.refuses(&artifact, "shop/web:1");
    let remedy = run.gate("images")["remedy"].as_str().unwrap();
    assert!(remedy.contains("`images.roots`") && remedy.contains("apps/base"), "{remedy}");
    let rewrite = format!("  rewrite: [{{from: {}/**, to: {}/**}}]\n", yard.dev.host, yard.prod.host);
    yard.rules(&format!("{rewrite}  roots: [apps/clusters/prod]\n"));
    yard.release(&artifact).is(0, "released");
}

#[test]
fn what_another_repository_holds_is_not_taken_for_known() {
    let yard = Yard::new("  roots: [apps/prod]\n  strict: true\n");
    yard.dev.has("shop/web", "1", "same");
    yard.prod.has("shop/web", "1", "same");
    let argo = |url: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: a}}\nspec: {{source: {{repoURL: \"{url}\", path: apps/base}}}}\n"
        )
    };
    let flux = |url: &str| {
        format!(
            "{FLUX}spec: {{path: ./apps/base, sourceRef: {{kind: GitRepository, name: g}}}}\n---\n\
             apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: g, namespace: flux}}\nspec: {{url: \"{url}\"}}\n"
        )
    };
    let to = yard.world.to("dev");
    let own = to.split('#').next().unwrap();
    let with = |order: String| {
        let edits =
            [put("apps/prod/o.yaml", &order), put("apps/base/d.yaml", &deployment("d", &yard.image("shop/web:1")))];
        yard.world.repo("source").commit("main", &edits);
        yard.world.package("main")
    };
    for order in [argo("https://e.io/other.git"), flux("https://e.io/other.git")] {
        yard.refuses(&with(order), "apps/base (apps/prod/o.yaml");
    }
    for order in [argo(own), flux(own)] {
        yard.release(&with(order)).is(0, "released");
    }
}
