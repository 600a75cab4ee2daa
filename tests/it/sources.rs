//! What Flux, Argo CD and others really take, and from where: how they fill things in, what they leave out, and what they take
//! from somewhere else.

use crate::images::{POD, of, short};
use crate::registry::{Yard, deployment};
use crate::support::{del, put};

fn sync(spec: &str) -> String {
    format!(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: k, namespace: flux}}\nspec: {{path: ./base, {spec}}}\n"
    )
}

fn release(spec: &str) -> String {
    format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: r, namespace: flux}}\nspec: {{{spec}}}\n"
    )
}

const SOURCE: &str = "chartRef: {kind: OCIRepository, name: o}";

fn map(name: &str, namespace: &str, data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata: {{{data}}}\n")
}

/// `reference confidence` of what is no opaque row, in order of the alphabet.
fn seen(files: &[(&str, &str)]) -> Vec<String> {
    let mut seen: Vec<String> = short(&of(files)).into_iter().filter(|row| !row.ends_with(" opaque")).collect();
    seen.sort();
    seen
}

#[test]
fn variables_are_filled_into_what_is_written_and_read_again() {
    for (value, expected) in [
        ("${T1:=\"1.0\"}", "e.io/a:1.0 inferred"),
        ("\"${TAG}\"", "e.io/a:1.1 inferred"),
        ("\"${Q}${TAG}${Q}\"", "e.io/a:1.10 inferred"),
        ("${TAG:?it is needed}", "e.io/a:1.1 inferred"),
        ("${NONE:+v9}", "e.io/a:v9 inferred"),
        ("${NONE:?v8}", "e.io/a:v8 inferred"),
        ("${NAME/${OLD}/new}", "e.io/a:new-1 inferred"),
        ("${NAME%[0-9]}", "e.io/a:? unresolved"),
        ("\"${DATE}\"", "e.io/a:20240101 unresolved"),
        // What Flux's own functions do, and where quotes may end elsewhere.
        ("\"x${NAME#*}\"", "e.io/a:xld-1 inferred"),
        ("\"x${NAME/#old/}\"", "e.io/a:xold-1 inferred"),
        // The second slash may be anywhere behind it.
        ("\"x${NAME/#old}\"", "e.io/a:xold-1 unresolved"),
        ("'${NAME/o\\/b}'", "e.io/a:? unresolved"),
        ("\"${NAME: 1}\"", "e.io/a:? unresolved"),
        ("\"${NAME#*' #}\"", "e.io/a:old-1 unresolved"),
        ("\"x${UNCLOSED\"", "e.io/a:x${UNCLOSED unresolved"),
        ("\"v${LINES}\"", "e.io/a:vab inferred"),
    ] {
        let order = sync(
            "postBuild: {substitute: {TAG: \"1.10\", Q: '\"', NAME: old-1, OLD: old, DATE: \"20240101\", LINES: \"a\\nb\\n\"}}",
        );
        // A value with quotes in it cannot stand in braces.
        let values = format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: r}}\nspec:\n  {SOURCE}\n  values:\n    image:\n      repository: e.io/a\n      tag: {value}\n"
        );
        assert_eq!(seen(&[("k.yaml", &order), ("base/r.yaml", &values)]), [expected], "{value}\n{values}");
    }
}

#[test]
fn variables_make_keys_lists_and_whole_parts() {
    let pod = |spec: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {spec}\n");
    let variables = sync(
        "postBuild: {substitute: {SPEC: \"{containers: [{image: e.io/s:1}]}\", LIST: \"[{image: e.io/l:1}]\", K: initContainers, I: image, J: image}}",
    );
    for (spec, expected) in [
        ("${SPEC}", "e.io/s:1 certain"),
        ("\n  containers: ${LIST}", "e.io/l:1 certain"),
        ("\n  ${K}: [{image: e.io/k:1}]", "e.io/k:1 certain"),
        ("${UNSEEN}", "? unresolved"),
        ("\n  volumes: ${UNSEEN}", "? unresolved"),
        // Where nothing is defined, Flux puts nothing.
        ("\n  ${UNSEEN}containers: [{image: e.io/k:1}]", "e.io/k:1 certain"),
        ("\n  containers: [{image: e.io/r:1, \"${I}\": e.io/d:1}]", "e.io/r:1 certain"),
        ("\n  containers: [{\"${I}\": e.io/d:1, \"${J}\": e.io/r:1}]", "e.io/r:1 unresolved"),
    ] {
        assert_eq!(seen(&[("k.yaml", &variables), ("base/p.yaml", &pod(spec))]), [expected], "{spec}");
    }
}

#[test]
fn what_may_be_missing_is_taken_only_if_it_is_there() {
    let pod = POD.replace("e.io/a:1", "e.io/a:${TAG:=bad}").replace("e.io/b:1", "e.io/a:${TAG:=bad}");
    let from = |more: &str| sync(&format!("postBuild: {{substituteFrom: [{{kind: ConfigMap, name: s{more}}}]}}"));
    let lax = from(", optional: true");
    let good = map("s", "flux", "TAG: good");
    let row = |files: &[(&str, &str)]| {
        let mut found = seen(files);
        found.dedup();
        found
    };
    let base = ("base/p.yaml", pod.as_str());
    assert_eq!(row(&[("c/k.yaml", &lax), ("c/s.yaml", &good), base]), ["e.io/a:good certain"]);
    let elsewhere = map("s", "other", "TAG: good");
    assert_eq!(row(&[("c/k.yaml", &lax), ("c/s.yaml", &elsewhere), base]), ["e.io/a:bad inferred"]);
    let over = "resources: [k.yaml]\nconfigMapGenerator: [{name: s, namespace: flux, literals: [TAG=good]}]\n";
    assert_eq!(row(&[("c/kustomization.yaml", over), ("c/k.yaml", &lax), base]), ["e.io/a:bad inferred"]);
    let fixed = format!("{over}generatorOptions: {{disableNameSuffixHash: true}}\n");
    assert_eq!(row(&[("c/kustomization.yaml", &fixed), ("c/k.yaml", &lax), base]), ["e.io/a:good certain"]);
    let prefixed = "resources: [k.yaml, s.yaml]\nnamePrefix: x-\n";
    let files = [("c/kustomization.yaml", prefixed), ("c/k.yaml", &lax), ("c/s.yaml", &good), base];
    assert_eq!(row(&files), ["e.io/a:bad inferred"]);
    // It is not applied, or gets another name.
    let off = good
        .replace("namespace: flux", "namespace: flux, annotations: {kustomize.toolkit.fluxcd.io/reconcile: disabled}");
    assert_eq!(row(&[("c/k.yaml", &lax), ("c/s.yaml", &off), base]), ["e.io/a:bad inferred"]);
    let outer = sync("namePrefix: x-").replace("./base", "./c").replace("name: k,", "name: outer,");
    assert_eq!(row(&[("o.yaml", &outer), ("c/k.yaml", &lax), ("c/s.yaml", &good), base]), ["e.io/a:bad inferred"]);
    // Which of two comes last nobody knows.
    let two = [("c/k.yaml", &*from("")), ("c/a.yaml", &*map("s", "flux", "TAG: bad")), ("c/s.yaml", &*good), base];
    assert_eq!(row(&two), ["e.io/a:? unresolved"]);
}

#[test]
fn secrets_hide_variables_and_give_values() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: flux}\nstringData: {TAG: secret}\n";
    let order = sync("postBuild: {substituteFrom: [{kind: Secret, name: s}]}");
    let pod = POD.replace("e.io/a:1", "e.io/a:${TAG:=good}");
    let found = seen(&[("k.yaml", &order), ("s.yaml", secret), ("base/p.yaml", &pod)]);
    assert_eq!(found, ["e.io/a:? unresolved", "e.io/b:1 certain"]);
    let over = "resources: [r.yaml]\nsecretGenerator: [{name: v, namespace: flux, files: [values.yaml]}]\n";
    let values = "image: {repository: e.io/v, tag: \"1\"}\nother: {image: \"e.io/o:1\"}\n";
    let order = release(&format!(
        "{SOURCE}, valuesFrom: [{{kind: Secret, name: v}}], values: {{other: {{image: \"e.io/o:2\"}}}}"
    ));
    let found = seen(&[("kustomization.yaml", over), ("r.yaml", &order), ("values.yaml", values)]);
    assert_eq!(found, ["e.io/o:2 inferred", "e.io/v:1 inferred"]);
    // In Base64, and encrypted.
    let packed = "apiVersion: v1\nkind: Secret\nmetadata: {name: v, namespace: flux}\ndata: {values.yaml: \"aW1hZ2U6IGUuaW8vcGFja2VkOjEK\", more: \"ENC[x]\"}\n";
    let order = release(&format!(
        "{SOURCE}, valuesFrom: [{{kind: Secret, name: v}}, {{kind: Secret, name: v, valuesKey: more}}]"
    ));
    assert_eq!(seen(&[("r.yaml", &order), ("s.yaml", packed)]), ["e.io/packed:1 inferred"]);
}

#[test]
fn a_folder_whose_name_has_variables_is_built_as_its_kustomization_says() {
    let outer = sync("postBuild: {substitute: {ENV: prod}}");
    let inner = outer
        .replace("./base", "\"./envs/${ENV}\"")
        .replace("name: k,", "name: inner,")
        .replace("postBuild: {substitute: {ENV: prod}}", "images: [{name: e.io/a, newTag: \"2\"}]");
    let files = [
        ("k.yaml", outer.as_str()),
        ("base/k.yaml", inner.as_str()),
        ("envs/prod/p.yaml", POD),
        ("envs/dev/p.yaml", &POD.replace("e.io/a", "e.io/dev")),
    ];
    assert_eq!(seen(&files), ["e.io/a:2 certain", "e.io/b:1 certain", "e.io/b:1 certain", "e.io/dev:1 certain"]);
}

#[test]
fn a_release_takes_the_first_document_and_later_layers_see_earlier_ones() {
    let values = "|\n      image: e.io/first:1\n      ---\n      image: e.io/second:1\n".replace("      ", "    ");
    let maps = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: v, namespace: flux}}\ndata:\n  values.yaml: {values}"
    );
    let order = release(&format!("{SOURCE}, valuesFrom: [{{kind: ConfigMap, name: v}}]"));
    // What somebody may mean is asked for too.
    assert_eq!(seen(&[("r.yaml", &order), ("v.yaml", &maps)]), ["e.io/first:1 inferred", "e.io/second:1 inferred"]);
    let patch =
        "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{name: s, image: \"e.io/s:1\"}]}}";
    let later = release(&format!(
        "{SOURCE}, postRenderers: [{{kustomize: {{patches: [{{patch: '{patch}'}}]}}}}, {{kustomize: {{images: [{{name: e.io/s, newTag: \"2\"}}]}}}}]"
    ));
    let rows = of(&[("r.yaml", &later)]);
    assert_eq!(seen(&[("r.yaml", &later)]), ["e.io/s:2 inferred"], "{rows:#?}");
}

#[test]
fn an_application_of_a_flat_folder_leaves_the_rest_to_others() {
    let argo = |more: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: a}}\nspec: {{source: {{repoURL: \"https://e.io/r\", path: c{more}}}}}\n"
        )
    };
    let files = |order: &str| {
        let files = [
            ("c/app.yaml", order),
            ("c/p.yaml", POD),
            ("c/sub/p.yaml", &POD.replace("e.io/a", "e.io/sub")),
            ("c/k/kustomization.yaml", "resources: [p.yaml]\nimages: [{name: e.io/a, newTag: \"7\"}]\n"),
            ("c/k/p.yaml", POD),
            ("c/chart/Chart.yaml", "{apiVersion: v2, name: x, version: 1.0.0}\n"),
            ("c/chart/values.yaml", "image: {repository: e.io/chart, tag: \"1\"}\n"),
        ];
        let mut found = seen(&files);
        found.retain(|row| !row.starts_with("e.io/b:1"));
        found
    };
    let flat = ["e.io/a:1 certain", "e.io/a:7 certain", "e.io/chart:1 inferred", "e.io/sub:1 certain"];
    assert_eq!(files(&argo("")), flat);
    // What is said to be a directory is one, kustomization or not.
    let plain = files(&argo(", directory: {recurse: true}"));
    assert!(
        plain.contains(&"e.io/a:1 certain".to_owned()) && plain.contains(&"e.io/sub:1 certain".to_owned()),
        "{plain:?}"
    );
    let kustomized = [
        ("app.yaml", &*argo(", directory: {recurse: true}")),
        ("c/kustomization.yaml", "resources: []\n"),
        ("c/p.yaml", POD),
    ];
    assert_eq!(seen(&kustomized), ["e.io/a:1 certain", "e.io/b:1 certain"]);
    // Of what is both a chart and a kustomization, Argo CD takes one.
    let both = [
        ("app.yaml", &*argo("")),
        ("c/kustomization.yaml", "resources: [p.yaml]\n"),
        ("c/p.yaml", POD),
        ("c/Chart.yaml", "{apiVersion: v2, name: x, version: 1.0.0}\n"),
        ("c/values.yaml", "image: {repository: e.io/chart, tag: \"1\"}\n"),
    ];
    let found = seen(&both);
    assert!(
        found.contains(&"e.io/a:1 certain".to_owned()) && found.contains(&"e.io/chart:1 inferred".to_owned()),
        "{found:?}"
    );
}

#[test]
fn a_flat_folder_whose_name_has_variables_hides_nothing_below_it() {
    let outer = sync("postBuild: {substitute: {ENV: prod}}");
    let inner = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {source: {repoURL: \"https://e.io/r\", path: \"envs/${ENV}\"}}\n";
    let files = [
        ("k.yaml", outer.as_str()),
        ("base/a.yaml", inner),
        ("envs/prod/p.yaml", POD),
        ("envs/prod/sub/p.yaml", &POD.replace("e.io/a", "e.io/sub")),
    ];
    let mut found = seen(&files);
    found.retain(|row| !row.starts_with("e.io/b:1"));
    assert_eq!(found, ["e.io/a:1 certain", "e.io/sub:1 certain"]);
}

#[test]
fn applications_give_one_kind_of_values_and_what_is_elsewhere_is_none_of_ours() {
    let chart = [
        ("c/Chart.yaml", "{apiVersion: v2, name: x, version: 1.0.0}\n"),
        ("c/values.yaml", "image: e.io/own:1\n"),
        ("c/templates/d.yaml", "image: {{ .Values.image }}\n"),
    ];
    let argo = |helm: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: a}}\nspec: {{source: {{repoURL: \"https://e.io/r\", path: c, helm: {{{helm}}}}}}}\n"
        )
    };
    let both = argo("values: \"image: e.io/text:1\", valuesObject: {other: x}");
    let files: Vec<(&str, &str)> = chart.iter().copied().chain([("a.yaml", both.as_str())]).collect();
    assert_eq!(seen(&files), ["e.io/own:1 inferred"]);
    let two = argo("valueFiles: [two.yaml]");
    let more = [("a.yaml", two.as_str()), ("c/two.yaml", "---\n# nothing\n---\nimage: e.io/second:1\n")];
    let files: Vec<(&str, &str)> = chart.iter().copied().chain(more).collect();
    assert_eq!(seen(&files), ["e.io/own:1 inferred"]);
    // The top of a repository is this tree's only where others say so.
    let app = |name: &str, url: &str, path: &str, more: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\nspec: {{source: {{repoURL: \"{url}\", path: {path}{more}}}}}\n"
        )
    };
    let far = app("far", "https://e.io/charts", "/", ", helm: {valuesObject: {image: \"e.io/far:1\"}}");
    let files = [("a.yaml", &*app("near", "https://e.io/r", "p", "")), ("far.yaml", &*far), ("p/p.yaml", POD)];
    assert_eq!(seen(&files), ["e.io/a:1 certain", "e.io/b:1 certain", "e.io/far:1 inferred"]);
}

#[test]
fn what_comes_from_another_revision_or_place_is_told() {
    let yard = Yard::new("  roots: [apps/prod]\n  strict: true\n");
    yard.dev.has("shop/web", "1", "same");
    yard.prod.has("shop/web", "1", "same");
    let to = yard.world.to("dev");
    let own = to.split('#').next().unwrap();
    let flux = |reference: &str| {
        format!(
            "{}---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: g, namespace: flux}}\nspec: {{url: \"{own}\"{reference}}}\n",
            sync("sourceRef: {kind: GitRepository, name: g}").replace("./base", "./apps/base")
        )
    };
    let argo = |more: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: a}}\nspec: {{source: {{repoURL: \"{own}\", path: apps/base{more}}}}}\n"
        )
    };
    let several = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: a}}\nspec: {{sources: [{{repoURL: \"https://e.io/x\", ref: v}}, \
         {{repoURL: \"{own}\", path: apps/base, helm: {{valueFiles: [$v/apps/base/good.yaml]}}}}]}}\n"
    );
    let set = |url: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: a}}\nspec: {{generators: [{{git: {{repoURL: \"{url}\", \
             files: [{{path: apps/base/set.json}}]}}}}], template: {{spec: {{source: {{repoURL: \"{own}\", path: \"{{{{path}}}}\"}}}}}}}}\n"
        )
    };
    let old = |key: &str| sync(&format!("{key}: []")).replace("./base", "./apps/base");
    let values = release(
        "chart: {spec: {chart: ./apps/base, sourceRef: {kind: GitRepository, name: flux-system}, valuesFiles: [./apps/base/more.txt]}}",
    );
    let render = |layer: &str| {
        release(&format!(
            "chart: {{spec: {{chart: ./apps/base, sourceRef: {{kind: GitRepository, name: flux-system}}}}}}, postRenderers: [{{kustomize: {{{layer}}}}}]"
        ))
    };
    let put_together = sync("sourceRef: {kind: ExternalArtifact, name: x}").replace("./base", "./")
        + "---\napiVersion: source.extensions.fluxcd.io/v1beta1\nkind: ArtifactGenerator\nmetadata: {name: g, namespace: flux}\n\
           spec: {sources: [{alias: r, kind: GitRepository, name: far}], artifacts: [{name: x, copy: [{from: \"@r/apps/base/**\", to: \"@artifact/\"}]}]}\n\
           ---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: far, namespace: flux}\nspec: {url: \"https://e.io/x\"}\n";
    let instead = release(
        "chart: {spec: {chart: ./apps/base, sourceRef: {kind: GitRepository, name: flux-system}, valuesFiles: [./apps/base/set.json]}}",
    );
    let maps = release(
        "chart: {spec: {chart: ./apps/base, sourceRef: {kind: GitRepository, name: flux-system}}}, valuesFrom: [{kind: ConfigMap, name: s, optional: true}]",
    ) + "---\n"
        + &map("s", "other", "values.yaml: \"x: y\"");
    let web = yard.image("shop/web:1");
    let with = |order: &str| {
        let edits = [
            del("apps"),
            put("apps/prod/o.yaml", order),
            put("apps/base/Chart.yaml", "{apiVersion: v2, name: x, version: 1.0.0}\n"),
            put("apps/base/good.yaml", &format!("image: {web}\n")),
            put("apps/base/set.json", "{}\n"),
            put("apps/base/more.txt", "image: e.io/bad:1\n"),
            put("apps/base/values.yaml", &format!("image: {web}\n")),
            put("apps/base/templates/d.yaml", &deployment("d", "{{ .Values.image | default \"e.io/unset:1\" }}")),
        ];
        yard.world.repo("source").commit("main", &edits);
        yard.world.package("main")
    };
    for (order, words) in [
        (flux(", ref: {branch: evil}"), "./apps/base (apps/prod/o.yaml"),
        (flux(", ref: {tag: v1}"), "./apps/base (apps/prod/o.yaml"),
        (flux(", include: [{repository: {name: x}}]"), "./apps/base (apps/prod/o.yaml"),
        (argo(", targetRevision: evil"), "apps/base (apps/prod/o.yaml"),
        (argo(", helm: {fileParameters: [{name: image, path: tag.txt}]}"), "tag.txt (apps/prod/o.yaml"),
        (argo(", helm: {ignoreMissingValueFiles: true, valueFiles: [\"https://e.io/v.yaml\"]}"), "https://e.io/v.yaml"),
        (
            argo(", helm: {ignoreMissingValueFiles: true, valueFiles: [\"v-$ARGOCD_APP_NAME.yaml\"]}"),
            "v-$ARGOCD_APP_NAME.yaml",
        ),
        (argo(", helm: {parameters: [{name: note, value: \"{a},image=e.io/bad:1,z={b}\"}]}"), "{a},image=e.io/bad:1"),
        (argo(", kustomize: {images: [\"e.io/$ARGOCD_APP_NAME=e.io/bad\"]}"), "e.io/$ARGOCD_APP_NAME"),
        (argo(", helm: {ignoreMissingValueFiles: true, valueFiles: [more.txt]}"), "more.txt (apps/prod/o.yaml"),
        (several, "https://e.io/x://apps/base/good.yaml"),
        (set("https://e.io/x"), "https://e.io/x (apps/prod/o.yaml"),
        (old("patchesStrategicMerge"), "k (apps/prod/o.yaml"),
        (old("patchesJson6902"), "k (apps/prod/o.yaml"),
        (values.clone(), "./apps/base/more.txt (apps/prod/o.yaml"),
        (
            values.replace("valuesFiles: [./apps/base/more.txt]", "valuesFile: ./apps/base/good.yaml"),
            "./apps/base/good.yaml",
        ),
        (render("images: [{name: \"e.io/(x)\", newName: e.io/bad}]"), "e.io/(x) (apps/prod/o.yaml"),
        (render("patchesJson6902: []"), "patchesJson6902 (apps/prod/o.yaml"),
        (argo(", helm: {parameters: [{name: image, value: \"null\"}]}"), "null (apps/prod/o.yaml"),
        (put_together, "far (apps/prod/o.yaml"),
        (instead, "e.io/unset:1"),
        (maps, "s (apps/prod/o.yaml"),
    ] {
        eprintln!("{order}");
        yard.refuses(&with(&order), words);
    }
    for order in [
        argo(", targetRevision: main"),
        argo(", targetRevision: HEAD, helm: {ignoreMissingValueFiles: true, valueFiles: [gone.yaml]}"),
        set(own),
    ] {
        eprintln!("{order}");
        yard.release(&with(&order)).is(0, "released");
    }
}

#[test]
fn sets_of_flux_are_told_where_expressions_make_objects() {
    let set = |spec: &str| {
        format!(
            "apiVersion: fluxcd.controlplane.io/v1\nkind: ResourceSet\nmetadata: {{name: x, namespace: flux}}\nspec:\n{spec}"
        )
    };
    let resources = |spec: &str| {
        format!("  resources:\n  - apiVersion: v1\n    kind: Pod\n    metadata: {{name: h}}\n    spec: {spec}\n")
    };
    let told = |spec: &str| {
        let rows = of(&[("a.yaml", &set(spec))]);
        let mut told: Vec<String> =
            rows.into_iter().map(|row| format!("{} {}", row.reference, row.confidence)).collect();
        told.sort();
        told
    };
    let template = "  resourcesTemplate: |\n    apiVersion: v1\n    kind: Pod\n    spec: {containers: [{\"im\\x61ge\": e.io/bad:1}]}\n";
    assert!(told(template).contains(&"x opaque".to_owned()), "{:?}", told(template));
    let whole = resources("<< inputs.k | toYaml | nindent 6 >>");
    assert!(told(&whole).iter().any(|row| row.ends_with(" opaque")), "{:?}", told(&whole));
    for spec in ["<< nindent 4 (toYaml inputs.k) >>", "{x: 'a<< printf \"%s\" inputs.k >>'}", "{x: \"<< if false >>\"}"]
    {
        assert!(told(&resources(spec)).iter().any(|row| row.ends_with(" opaque")), "{spec}");
    }
    let lines = format!("  inputs: [{{k: \"x\\nspec: y\"}}]\n{}", resources("{x: \"<< inputs.k >>\"}"));
    assert!(told(&lines).contains(&"inputs.k opaque".to_owned()), "{:?}", told(&lines));
    let shown = format!("  inputs: [{{k: one}}]\n{}", resources("{x: \"<< inputs.k | quote >>\"}"));
    assert_eq!(told(&shown), Vec::<String>::new());
    let key = resources("{containers: [{\"<< inputs.k >>\": \"e.io/bad:1\"}]}");
    assert!(told(&key).iter().any(|row| row.ends_with(" opaque")), "{:?}", told(&key));
    let text =
        format!("  inputs: [{{k: \"{{containers: [{{image: e.io/in:1}}]}}\"}}]\n{}", resources("<< inputs.k >>"));
    assert_eq!(told(&text), ["e.io/in:1 certain"]);
    let more = format!(
        "  inputs: [{{i: \"1\"}}]\n  inputsFrom: [{{kind: ResourceSetInputProvider, name: p}}]\n{}",
        resources("{containers: [{image: \"e.io/m:<< inputs.i >>\"}]}")
    );
    assert_eq!(told(&more), ["e.io/m:1 certain", "e.io/m:<< inputs.i >> unresolved"]);
}

#[test]
fn other_deployers_are_told_and_tools_of_developers_are_not() {
    for (object, expected) in [
        (
            "apiVersion: operators.coreos.com/v1alpha1\nkind: Subscription\nspec: {name: op, channel: stable}\n",
            "op opaque",
        ),
        (
            "apiVersion: fleet.cattle.io/v1alpha1\nkind: GitRepo\nspec: {repo: \"https://e.io/r\"}\n",
            "https://e.io/r opaque",
        ),
        (
            "apiVersion: kappctrl.k14s.io/v1alpha1\nkind: App\nmetadata: {name: a}\nspec: {fetch: [{git: {url: x}}]}\n",
            "a opaque",
        ),
        ("apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: {pipelineRef: {resolver: git}}\n", "git opaque"),
        ("apiVersion: sailoperator.io/v1\nkind: Istio\nspec: {version: v1.24}\n", "v1.24 opaque"),
        (
            "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: k3}\nspec: {chartContent: H4sI}\n",
            "k3 opaque",
        ),
        ("apiVersion: helm.cattle.io/v1\nkind: HelmChart\nspec: {jobImage: \"e.io/job:1\"}\n", "e.io/job:1 certain"),
        (
            "apiVersion: helm.cattle.io/v1\nkind: HelmChartConfig\nspec: {valuesContent: \"image: e.io/k:1\", set: {image: \"e.io/k:2\"}}\n",
            "e.io/k:2 inferred",
        ),
        (
            "apiVersion: x.io/v1\nkind: W\nspec: {container: {image: redis}}\n",
            "docker.io/library/redis:latest inferred",
        ),
        (
            "apiVersion: tekton.dev/v1\nkind: TaskRun\nspec: {params: [{name: BUILDER_IMAGE, value: \"e.io/builder:1\"}, {name: IMAGE, value: \"e.io/made:1\"}]}\n",
            "e.io/builder:1 inferred",
        ),
        ("apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec: {profile: demo}\n", "IstioOperator opaque"),
        (
            "apiVersion: kiali.io/v1alpha1\nkind: Kiali\nspec: {deployment: {image_name: quay.io/k/k, image_version: v1}}\n",
            "quay.io/k/k:v1 inferred",
        ),
        ("apiVersion: x.io/v1\nkind: W\nspec: {images: {web: \"e.io/w:1\"}}\n", "e.io/w:1 inferred"),
        ("apiVersion: x.io/v1\nkind: AllowList\nitems: [a]\nspec: {image: \"e.io/al:1\"}\n", "e.io/al:1 inferred"),
        ("apiVersion: x.io/v1\nkind: ServiceMonitor\nspec: {image: \"e.io/sm:1\"}\n", "e.io/sm:1 inferred"),
        (
            "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nspec: {dataVolumeTemplates: [{spec: {source: {registry: {url: \"docker://e.io/vm:1\"}}}}]}\n",
            "e.io/vm:1 certain",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {annotations: {config.linkerd.io/proxy-image: e.io/l5d, config.linkerd.io/proxy-version: v2}}\nspec: {containers: []}\n",
            "e.io/l5d:v2 inferred",
        ),
        (
            "apiVersion: v1\nkind: Pod\nspec: {containers: [{env: [{name: REG, value: e.io}, {name: WORKER_IMAGE, value: \"$(REG)/w:1\"}]}]}\n",
            "e.io/w:1 inferred",
        ),
        ("apiVersion: v1\nkind: Pod\nspec: {containers: [{image: !!binary ZS5pby9iaW46MQ==}]}\n", "e.io/bin:1 certain"),
        (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {annotations: {image.openshift.io/triggers: '[{\"from\": {\"kind\": \"ImageStreamTag\", \"name\": \"web:s2i\"}}]'}}\n\
             spec: {template: {spec: {containers: [{image: \"web:s2i\"}]}}}\n",
            "docker.io/library/web:s2i unresolved",
        ),
        ("apiVersion: v1\nkind: Pod\nspec: {containers: [{image: true}]}\n", "true unresolved"),
        ("apiVersion: v1\nkind: Pod\nspec: {containers: [{image: !!str 5}]}\n", "docker.io/library/5:latest certain"),
        (
            "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nspec: {url: \"oci://e.io/o\", ref: {tag: 1.10}}\n",
            "e.io/o:1.10 unresolved",
        ),
    ] {
        let rows = of(&[("a.yaml", object)]);
        let found: Vec<String> = rows.iter().map(|row| format!("{} {}", row.reference, row.confidence)).collect();
        assert_eq!(found, [expected], "{object}");
    }
    let stream = "apiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata: {name: deck}\nspec: {lookupPolicy: {local: true}}\n---\n\
        apiVersion: apps/v1\nkind: Deployment\nspec: {template: {spec: {containers: [{image: deck}]}}}\n";
    assert_eq!(seen(&[("a.yaml", stream)]), ["docker.io/library/deck:latest unresolved"]);
    let workflow = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec:\n  templates:\n  - resource:\n      manifest: |\n        apiVersion: argoproj.io/v1alpha1\n        \
        kind: Application\n        metadata: {name: a}\n        spec:\n          source:\n            repoURL: https://e.io/charts\n            chart: vm\n            \
        targetRevision: 1.0.0\n            helm:\n              values: |\n                image: e.io/vm:2\n";
    let rows = of(&[("a.yaml", workflow)]);
    let found: Vec<String> = rows.iter().map(|row| format!("{} {}", row.reference, row.confidence)).collect();
    for row in ["https://e.io/charts/vm:1.0.0 inferred", "vm opaque", "e.io/vm:2 inferred"] {
        assert!(found.iter().any(|own| own == row), "{row}: {found:?}");
    }
    for object in [
        "apiVersion: skaffold/v4beta1\nkind: Config\nbuild: {artifacts: [{image: e.io/s}]}\n",
        "apiVersion: kind.x-k8s.io/v1alpha4\nkind: Cluster\nnodes: [{image: \"kindest/node:v1\"}]\n",
        "kind: pipeline\nsteps: [{image: \"golang:1\"}]\n",
        "apiVersion: build.openshift.io/v1\nkind: BuildConfig\nspec: {output: {to: {kind: DockerImage, name: \"e.io/out:1\"}}}\n",
        "apiVersion: infrastructure.cluster.x-k8s.io/v1beta1\nkind: GCPMachineTemplate\nspec: {template: {spec: {image: projects/p/global/images/capi}}}\n",
        "apiVersion: x.io/v1\nkind: W\nspec: {logoImage: foo/bar.png, coverImage: static/cover.jpg}\n",
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  rules.yaml: |\n    - alert: X\n      expr: count(container{image=\"quay.io/a/b:1\"})\n",
        "apiVersion: v1\nkind: Pod\nspec: {containers: [{args: [--default-image-registry=quay.io/foo, --image-format=image/png], env: [{name: IMAGE_BUCKET, value: my/bucket}]}]}\n",
        "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nspec: {image: \"e.io/no:1\"}\n",
    ] {
        assert!(of(&[("a.yaml", object)]).is_empty(), "{object}");
    }
}

#[test]
fn values_name_where_images_are_in_several_ways() {
    for (values, expected) in [
        (
            "c: {image: {registry: registry.k8s.io, image: ingress/c, tag: v1, digest: \"sha256:DIGEST\"}}",
            "registry.k8s.io/ingress/c:v1@sha256:DIGEST inferred",
        ),
        ("pilot: {hub: e.io/h, image: app, tag: \"1\"}", "e.io/h/app:1 inferred"),
        ("x: {registry: e.io, image: web, tag: \"1\"}", "e.io/web:1 inferred"),
        ("x: {imageRegistry: e.io, imageName: yy, imageTag: \"1\"}", "e.io/yy:1 inferred"),
        ("registry: gcr.io/dd, agents: {image: {name: agent, tag: \"7\"}}", "gcr.io/dd/agent:7 inferred"),
        ("global: {hub: e.io/istio, tag: v2}, pilot: {image: pilot}", "e.io/istio/pilot:v2 inferred"),
        (
            "images: {registry: quay.io, tag: v1, prefix: foo, pullSecret: reg, ctl: \"e.io/ctl:1\"}",
            "e.io/ctl:1 inferred",
        ),
        ("images: [{name: e.io/l3, tag: \"1\"}]", "e.io/l3:1 inferred"),
        ("x: {image_repository: e.io/sn, image_tag: \"2\"}", "e.io/sn:2 inferred"),
        ("x: {docker_image: e.io/dk, docker_tag: \"1\"}", "e.io/dk:1 inferred"),
        ("x: {image_name: quay.io/kiali/kiali, image_version: v1.70}", "quay.io/kiali/kiali:v1.70 inferred"),
        (
            "i: {image: {registry: ~, defaultRegistry: ghcr.io, repository: k/pre, tag: v1}}",
            "ghcr.io/k/pre:v1 inferred",
        ),
        ("x: {registry: e.io, repository: flat/x, version: v1}", "e.io/flat/x:v1 inferred"),
        (
            "sub: {global: {imageRegistry: s.io}, image: {registry: docker.io, repository: a/b, tag: v1}}",
            "s.io/a/b:v1 inferred",
        ),
        ("x: {image: \"t/web6:v1\", digest: \"sha256:DIGEST\"}", "docker.io/t/web6:v1@sha256:DIGEST inferred"),
        ("storage: {rbd: {image: foo/bar}}, web: {image: \"e.io/w:1\"}", "e.io/w:1 inferred"),
        (
            "defaultImageRegistry: quay.io, defaultImageRepository: strimzi, defaultImageTag: v1",
            "quay.io/strimzi/?:v1 unresolved",
        ),
    ] {
        let digest = "a".repeat(64);
        let order = release(&format!("{SOURCE}, values: {{{}}}", values.replace("DIGEST", &digest)));
        assert_eq!(seen(&[("r.yaml", &order)]), [expected.replace("DIGEST", &digest)], "{values}");
    }
}

#[test]
fn what_argo_cd_adds_puts_all_images_in_order() {
    let app = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\n\
        spec: {source: {repoURL: \"https://e.io/r\", path: c, kustomize: {images: [\"e.io/z=e.io/z:2\"]}}}\n";
    let over = "resources: [p.yaml]\nimages: [{name: e.io/b, newName: e.io/bad}, {name: e.io/a, newName: e.io/b}]\n";
    let files = [("app.yaml", app), ("c/kustomization.yaml", over), ("c/p.yaml", POD)];
    assert_eq!(seen(&files), ["e.io/bad:1 certain"]);
    // Keys that a set fills in, and numbers on their way.
    let set = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: a}\nspec:\n  generators: [{list: {elements: [{k: image, v: 1.10}]}}]\n  \
        template: {spec: {source: {repoURL: \"https://e.io/charts\", chart: c, targetRevision: 1.0.0, helm: {valuesObject: {\"{{k}}\": \"e.io/a:{{v}}\"}}}}}\n";
    assert_eq!(seen(&[("set.yaml", set)]), ["e.io/a:1.1 inferred"]);
}

#[test]
fn charts_of_kustomizations_take_values_in_the_order_that_is_said() {
    for (more, expected) in [
        ("valuesFile: v.yaml, valuesInline: {image: \"e.io/inline:1\"}", "e.io/inline:1"),
        ("valuesFile: v.yaml, valuesInline: {image: \"e.io/inline:1\"}, valuesMerge: merge", "e.io/file:1"),
        ("valuesFile: v.yaml, valuesInline: {x: y}, valuesMerge: replace", "e.io/own:1"),
        ("additionalValuesFiles: [v.yaml], valuesInline: {image: \"e.io/inline:1\"}", "e.io/file:1"),
        ("version: 1.0.0, valuesInline: {x: y}", "e.io/versioned:1"),
    ] {
        let over = format!("helmCharts: [{{name: c, {more}}}]\n");
        let files = [
            ("kustomization.yaml", over.as_str()),
            ("v.yaml", "image: e.io/file:1\n"),
            ("charts/c/Chart.yaml", "{apiVersion: v2, name: c, version: 2.0.0}\n"),
            ("charts/c/values.yaml", "image: e.io/own:1\n"),
            ("charts/c-1.0.0/c/Chart.yaml", "{apiVersion: v2, name: c, version: 1.0.0}\n"),
            ("charts/c-1.0.0/c/values.yaml", "image: e.io/versioned:1\n"),
        ];
        let rows = of(&files);
        let found: Vec<&str> = rows.iter().filter(|row| row.root == ".").map(|row| row.reference.as_str()).collect();
        assert_eq!(found, [expected], "{more}: {rows:#?}");
    }
    let old = of(&[("kustomization.yaml", "helmChartInflationGenerator: [{chartName: c}]\n")]);
    assert!(
        old.iter().any(|row| row.reference == "helmChartInflationGenerator" && row.confidence == "opaque"),
        "{old:#?}"
    );
}

#[test]
fn what_leaves_the_text_that_it_is_put_into_is_told() {
    let pod = |policy: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  restartPolicy: {policy}\n  containers: [{{image: e.io/a:1}}]\n"
        )
    };
    for value in ["a\\rb: c", "a\\x85b: c", "a\\u2028b: c", "a\\u2029b: c", "\\\"", "'", "*a", "a\\\\"] {
        let order = sync(&format!("postBuild: {{substitute: {{A: \"{value}\"}}}}"));
        for policy in ["${A}", "\"- ${A}\"", "\"\\t${A}\""] {
            let is_torn = match (policy.get(..1), value) {
                _ if value.contains("b: c") => true,
                (Some("$"), _) => value.len() < 3,
                _ if policy.contains('-') => value == "'",
                _ => value.contains('\\'),
            };
            let found = short(&of(&[("k.yaml", &order), ("base/p.yaml", &pod(policy))]));
            let expected: &[&str] =
                if is_torn { &["Pod opaque", "e.io/a:1 unresolved"] } else { &["e.io/a:1 certain"] };
            assert_eq!(found, expected, "{value} {policy}");
        }
    }
    // The pattern ends at the next slash, wherever that is.
    let order = sync("postBuild: {substitute: {A: x}}");
    let found = of(&[("k.yaml", &order), ("base/p.yaml", &pod("${A/x}"))]);
    assert_eq!(short(&found), ["Pod opaque", "e.io/a:1 unresolved"]);
}

#[test]
fn parts_that_are_wholly_unknown_are_told() {
    let order = sync("postBuild: {substituteFrom: [{kind: Secret, name: s}]}");
    let object = |api: &str, kind: &str, spec: &str| {
        format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: o, namespace: flux}}\nspec: {spec}\n")
    };
    for (api, kind, spec, expected) in [
        ("example.com/v1", "Widget", "{image: \"${X}\"}", "? unresolved"),
        ("example.com/v1", "Widget", "{image: \"${X}-b\"}", "?-b unresolved"),
        ("example.com/v1", "Widget", "{containers: \"${X}\"}", "? unresolved"),
        ("example.com/v1", "Widget", "{\"${X}image\": a/b:1}", "?image unresolved"),
        ("example.com/v1", "Widget", "{\"${X:=y-image}\": a/b:1}", "? unresolved"),
        ("example.com/v1", "Widget", "{image: \"ENC[AES256_GCM,data:a]\"}", "ENC[AES256_GCM,data:a] unresolved"),
        ("example.com/v1", "Widget", "${X}", "? unresolved"),
        ("serving.knative.dev/v1", "Service", "{template: \"${X}\"}", "? unresolved"),
        ("tekton.dev/v1", "Task", "{steps: \"${X}\"}", "? unresolved"),
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease", "{values: {image: \"${X}\"}}", "? unresolved"),
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease", "{values: \"${X}\"}", "? unresolved"),
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease", "{postRenderers: \"${X}\"}", "? unresolved"),
        ("source.toolkit.fluxcd.io/v1", "OCIRepository", "${X}", "? unresolved"),
        ("fluxcd.controlplane.io/v1", "ResourceSet", "{resources: \"${X}\"}", "? unresolved"),
        ("${X:=kyverno.io/v1}", "Policy", "{}", "kyverno.io/v1 opaque"),
        ("v1", "${X:=Service}", "{}", "Service opaque"),
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease", "{values: {a: {enabled: \"${X:=false}\"}}}", "false opaque"),
    ] {
        let found = of(&[("k.yaml", &order), ("base/o.yaml", &object(api, kind, spec))]);
        assert_eq!(short(&found), [expected], "{api} {kind} {spec}");
    }
    let artifact = object("source.toolkit.fluxcd.io/v1", "OCIRepository", "{url: oci://e.io/o, ref: \"${X}\"}");
    let found = of(&[("k.yaml", &order), ("base/o.yaml", &artifact)]);
    assert_eq!((found[0].reference.as_str(), found[0].confidence.as_str()), ("e.io/o:latest", "unresolved"));
    let set = "{inputsFrom: [{name: p}], resources: [{apiVersion: e.io/v1, kind: W, metadata: {name: w}, spec: {image: \"<< inputs.image >>\"}}]}";
    let found = of(&[("s.yaml", &object("fluxcd.controlplane.io/v1", "ResourceSet", set))]);
    assert_eq!(short(&found), ["<< inputs.image >> unresolved"]);
}

#[test]
fn what_variables_say_of_how_it_is_built_is_told() {
    let order = sync("postBuild: {substituteFrom: [{kind: Secret, name: s}]}");
    for (spec, expected) in [
        ("images: [{name: \"${X}\", newName: e.io/n}]", "? opaque"),
        ("images: \"${X}\"", "? unresolved"),
        ("\"${X}\": [{name: e.io/a, newName: e.io/n}]", "? unresolved"),
        ("postBuild: \"${X}\"", "? unresolved"),
        ("postBuild: {substituteFrom: [{kind: ConfigMap, name: \"${X:=m}\"}]}", "m opaque"),
        ("patches: [{target: {kind: \"${X:=StatefulSet}\"}, patch: \"[]\"}]", "StatefulSet opaque"),
        ("patches: [{target: {kind: Pod}, patch: \"- {op: add, path: /spec/${X}, value: e.io/n:1}\"}]", "patch opaque"),
    ] {
        let inner = sync(spec).replace("./base", "./apps").replace("name: k,", "name: inner,");
        let files = [("k.yaml", order.as_str()), ("base/k.yaml", &inner), ("apps/p.yaml", POD)];
        let found = short(&of(&files));
        assert!(found.iter().any(|row| row == expected), "{spec} {found:?}");
        assert!(found.iter().any(|row| row.starts_with("e.io/a:1 ")), "{spec} {found:?}");
    }
}

#[test]
fn what_is_done_after_a_chart_is_rendered_is_seen_or_told() {
    let chart = |template: &str| {
        [
            ("charts/app/Chart.yaml".to_owned(), "name: app\nversion: 1.0.0\n".to_owned()),
            (
                "charts/app/templates/d.yaml".to_owned(),
                format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: c}}\nspec:\n  containers:\n  - {template}\n"),
            ),
        ]
    };
    let rows = |template: &str, layer: &str| {
        let release = release(&format!(
            "chart: {{spec: {{chart: ./charts/app, sourceRef: {{kind: GitRepository, name: flux-system}}}}}}, postRenderers: [{{kustomize: {layer}}}]"
        ));
        let files = chart(template);
        let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        files.push(("hr.yaml", &release));
        short(&of(&files))
    };
    let pods = "/spec/template/spec";
    for (patch, expected) in [
        (
            format!("[{{op: replace, path: {pods}/containers/0/image, value: alpine}}]"),
            "docker.io/library/alpine:latest inferred",
        ),
        (format!("[{{op: replace, path: {pods}/containers/0/image, value: \"${{X}}\"}}]"), "${X} unresolved"),
        (
            format!("[{{op: replace, path: {pods}/volumes/0/image/reference, value: \"e.io/v:1\"}}]"),
            "e.io/v:1 inferred",
        ),
        (
            format!("[{{op: replace, path: {pods}/volumes/0/image, value: {{reference: \"e.io/v:1\"}}}}]"),
            "e.io/v:1 inferred",
        ),
        (
            format!("[{{op: copy, from: /metadata/annotations/x, path: {pods}/containers/0/image}}]"),
            "/spec/template/spec/containers/0/image opaque",
        ),
        (
            format!("[{{op: replace, path: {pods}/containers/0/args, value: [\"--sidecar-image=e.io/s:1\"]}}]"),
            "e.io/s:1 inferred",
        ),
        (
            "{kind: Pod, metadata: {name: c}, spec: {containers: [{name: c, image: alpine}]}}".to_owned(),
            "docker.io/library/alpine:latest inferred",
        ),
    ] {
        let layer = format!("{{patches: [{{target: {{kind: Pod}}, patch: '{patch}'}}]}}");
        let found = rows("image: e.io/a:1", &layer);
        assert!(found.iter().any(|row| row == expected), "{patch} {found:?}");
    }
    // kustomize compares names as they are written.
    for (template, name, expected) in [
        ("image: e.io/a:1", "e.io/a", &["e.io/n:1 inferred"][..]),
        ("image: a:1", "a", &["e.io/n:1 inferred"]),
        ("image: docker.io/library/a:1", "a", &["docker.io/library/a:1 inferred"]),
        ("image: library/a:1", "a", &["docker.io/library/a:1 inferred"]),
        ("image: a:1", "docker.io/library/a", &["e.io/n:1 inferred", "docker.io/library/a:1 inferred"]),
        ("args: [\"--side-image=e.io/a:1\"]", "e.io/a", &["e.io/n:1 inferred", "e.io/a:1 inferred"]),
    ] {
        let found = rows(template, &format!("{{images: [{{name: {name}, newName: e.io/n}}]}}"));
        for expected in expected {
            assert!(found.iter().any(|row| row == expected), "{template} {name} {found:?}");
        }
        let is_renamed = expected[0].starts_with("e.io/n");
        assert_eq!(found.contains(&"e.io/n:1 inferred".to_owned()), is_renamed, "{template} {name} {found:?}");
    }
}

#[test]
fn what_the_operator_syncs_is_built_and_what_changes_that_is_told() {
    let instance = |more: &str| {
        format!(
            "apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata: {{name: flux, namespace: flux-system}}\nspec:\n  sync: {{kind: GitRepository, url: \"https://x/y\", ref: refs/heads/main, path: apps/prod}}\n{more}"
        )
    };
    let over = "resources: [p.yaml]\n";
    let patch = |target: &str, patch: &str| {
        instance(&format!("  kustomize: {{patches: [{{target: {{kind: {target}}}, patch: '{patch}'}}]}}\n"))
    };
    let rows = |instance: &str| {
        short(&of(&[("c/f.yaml", instance), ("apps/prod/kustomization.yaml", over), ("apps/prod/p.yaml", POD)]))
    };
    assert_eq!(rows(&instance("")), ["e.io/a:1 certain", "e.io/b:1 certain"]);
    let images = "[{op: add, path: /spec/images, value: [{name: e.io/a, newName: e.io/n}]}]";
    assert!(rows(&patch("Kustomization", images)).contains(&"patch opaque".to_owned()));
    let idle = "[{op: add, path: /spec/serviceAccountName, value: a}]";
    assert_eq!(rows(&patch("Kustomization", idle)), ["e.io/a:1 certain", "e.io/b:1 certain"]);
    let own = "[{op: replace, path: /spec/template/spec/containers/0/image, value: \"e.io/kc:1\"}]";
    assert!(rows(&patch("Deployment", own)).contains(&"e.io/kc:1 inferred".to_owned()));
    // The folder that it syncs is a root, as one that an order of Flux names.
    let found = of(&[("c/f.yaml", &instance("")), ("apps/prod/d.yaml", POD)]);
    assert!(!found.is_empty() && found.iter().all(|row| row.root == "apps/prod"), "{found:#?}");
}

#[test]
fn artifacts_of_several_copies_and_paths_with_defaults_are_followed_or_told() {
    let generator = |copies: &str| {
        format!(
            "apiVersion: source.extensions.fluxcd.io/v1beta1\nkind: ArtifactGenerator\nmetadata: {{name: g}}\nspec:\n  sources: [{{alias: r, kind: GitRepository, name: flux-system}}]\n  artifacts: [{{name: art, copy: [{copies}]}}]\n"
        )
    };
    let order = sync("sourceRef: {kind: ExternalArtifact, name: art}").replace("./base", "./");
    let first = "{from: \"@r/apps/**\", to: \"@artifact/\"}";
    for (more, is_told) in [("", false), (", {from: \"@r/over/x.txt\", to: \"@artifact/p.yaml\"}", true)] {
        let generator = generator(&format!("{first}{more}"));
        let found = short(&of(&[("c/g.yaml", &generator), ("c/k.yaml", &order), ("apps/p.yaml", POD)]));
        assert_eq!(found.contains(&"k opaque".to_owned()), is_told, "{found:?}");
    }
    // A folder whose name begins like another one's is another folder.
    let beside = generator(
        "{from: \"@r/apps/**\", to: \"@artifact/apps/\"}, {from: \"@r/more/**\", to: \"@artifact/apps-more/\"}",
    );
    let below = order.replace("\"./\"", "./apps").replace("path: ./,", "path: ./apps,");
    let found = short(&of(&[("c/g.yaml", &beside), ("c/k.yaml", &below), ("apps/p.yaml", POD)]));
    assert!(below.contains("./apps") && !found.contains(&"k opaque".to_owned()), "{found:?}");
    // What fills in a path may not be seen where it is looked at first.
    let order = sync("sourceRef: {kind: GitRepository, name: flux-system}").replace("./base", "\"./apps/${C:=one}\"");
    let found = short(&of(&[("c/k.yaml", &order), ("apps/one/p.yaml", POD)]));
    assert_eq!(found, ["e.io/a:1 certain", "e.io/b:1 certain"]);
    // Words are what YAML 1.1 takes them for.
    let values = release(&format!("{SOURCE}, values: {{image: {{repository: e.io/a, tag: yes}}}}"));
    assert_eq!(seen(&[("r.yaml", &values)]), ["e.io/a:true inferred"]);
}
