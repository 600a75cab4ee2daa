//! Trees that would hide what they deploy, or break whoever looks: each is looked into, or said to be beyond that.

use crate::images::{POD, of, short};
use crate::support::{World, text};

const OVER: &str = "resources: [p.yaml]\n";

fn has(files: &[(&str, &str)], expected: &[&str]) {
    let rows = of(files);
    let found = short(&rows);
    for row in expected {
        assert!(found.iter().any(|own| own == row), "{row} is not there: {rows:#?}");
    }
}

#[test]
fn kustomizations_are_read_as_kustomize_reads_them() {
    // The case of keys does not matter.
    has(
        &[
            (
                "kustomization.yaml",
                "Resources: [p.yaml]\nImages: [{Name: e.io/a, NewTag: \"2\"}]\nPatches: [{Path: q.yaml}]\n",
            ),
            ("p.yaml", POD),
            (
                "q.yaml",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: b, image: \"e.io/b:5\"}]}\n",
            ),
        ],
        &["e.io/a:2 certain", "e.io/b:5 certain"],
    );
    // Only the first document counts.
    has(&[("kustomization.yaml", &format!("{OVER}---\nkind: Component\n")), ("p.yaml", POD)], &["e.io/a:1 certain"]);
    let pod = POD.replace("metadata: {name: p}", "metadata: {name: p, labels: {tier: web, env: x}}");
    for (selector, is_match) in [
        ("tier!=db", true),
        ("tier!=web", false),
        ("tier in (fe, web)", true),
        ("tier notin (fe, web)", false),
        ("env==x,!gone", true),
        ("!env", false),
        ("env,tier=web", true),
    ] {
        let patch = format!(
            "{OVER}patches:\n- target: {{labelSelector: \"{selector}\"}}\n  patch: '[{{\"op\": \"replace\", \"path\": \"/spec/containers/0/image\", \"value\": \"e.io/new:1\"}}]'\n"
        );
        let expected = if is_match { "e.io/new:1 certain" } else { "e.io/a:1 certain" };
        has(&[("kustomization.yaml", &patch), ("p.yaml", &pod)], &[expected]);
    }
    let replace = format!(
        "{OVER}replacements:\n- sourceValue: e.io/said:1\n  targets: [{{select: {{kind: Pod}}, fieldPaths: [\"spec.containers.0.image\"]}}]\n"
    );
    has(&[("kustomization.yaml", &replace), ("p.yaml", POD)], &["e.io/said:1 certain", "e.io/b:1 certain"]);
    let charts = "helmCharts: [{name: c}, {name: far, repo: \"https://c.io\"}]\nimages: [{name: e.io/c, newTag: \"2\"}, {name: e.io/unseen, newTag: \"3\"}]\n";
    has(
        &[
            ("kustomization.yaml", charts),
            ("charts/c/Chart.yaml", "name: c\n"),
            ("charts/c/values.yaml", "image: e.io/c:1\n"),
        ],
        &["e.io/c:2 inferred", "e.io/unseen:3 inferred", "far opaque"],
    );
}

#[test]
fn a_chart_hides_nothing_that_is_not_its_own() {
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: r}\nspec: {chart: {spec: {chart: ./charts/app, sourceRef: {kind: GitRepository}}}}\n";
    has(
        &[("Chart.yaml", "name: c\n"), ("apps/p.yaml", POD), ("q.yaml", &POD.replace("e.io", "q.io"))],
        &["e.io/a:1 certain", "q.io/a:1 certain"],
    );
    // Nobody includes the release, so it names nothing.
    has(
        &[
            ("over/kustomization.yaml", OVER),
            ("over/p.yaml", POD),
            ("over/r.yaml", release),
            ("charts/app/Chart.yaml", "name: app\n"),
            ("charts/app/values.yaml", "image: e.io/app:1\n"),
        ],
        &["e.io/app:1 inferred"],
    );
    let inner = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {source: {path: apps/web, helm: {parameters: [{name: image.tag, value: \"2\"}]}}}\n";
    has(
        &[
            ("Chart.yaml", "name: c\n"),
            ("argo.yaml", inner),
            ("apps/web/Chart.yaml", "name: web\n"),
            ("apps/web/values.yaml", "image: {repository: e.io/web, tag: \"1\"}\n"),
        ],
        &["e.io/web:2 inferred"],
    );
    let templates = "image: redis\n---\n{{/* image: e.io/comment:1 */}}\nkind: CustomResourceDefinition\nimage: e.io/never:1\n---\nimage: e.io/last:1\n";
    let chart =
        [("Chart.yaml", "name: c\ndependencies: [{name: packed, version: 1.0.0}]\n"), ("templates/a.yaml", templates)];
    has(&chart, &["docker.io/library/redis:latest inferred", "e.io/last:1 inferred", "packed opaque"]);
    assert!(!short(&of(&chart)).iter().any(|row| row.contains("comment") || row.contains("never")));
    // Nothing of it is known, and that is said.
    let printed = [
        ("Chart.yaml", "name: c\n"),
        ("values.yaml", "a: {b: e.io/x}\n"),
        ("templates/a.yaml", "image: {{ printf \"%s:%s\" .Values.a.b .Values.a.c }}\n"),
    ];
    assert!(short(&of(&printed)).iter().any(|row| row.ends_with("unresolved")));
}

#[test]
fn lists_of_lists_texts_of_json_and_what_somebody_fills_in_are_told() {
    let list = "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: List, items: [{apiVersion: source.toolkit.fluxcd.io/v1, kind: OCIRepository, spec: {url: \"oci://e.io/o\", ref: {tag: v1}}}]}]\n";
    assert!(of(&[("a.yaml", list)]).iter().any(|row| row.reference == "e.io/o:v1" && row.class == "oci"));
    let json = "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: '{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {\"containers\": [{\"image\": \"nginx\"}]}}'\n  \
                _example: |\n    image: e.io/no:1\n  a.rego: |\n    image: e.io/rego:1\n";
    assert_eq!(short(&of(&[("a.yaml", json)])), ["docker.io/library/nginx:latest inferred"]);
    let open = "apiVersion: v1\nkind: Pod\nspec: {containers: \"${containers}\"}\n";
    has(&[("a.yaml", open)], &["${containers} unresolved"]);
    let world = World::empty();
    let tree = world.path().join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    let wide: Vec<u8> = std::iter::once(0xfeff).chain(POD.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    std::fs::write(tree.join("a.yaml"), wide).unwrap();
    let run = world.run(&["images", text(&tree)]).is(0, "reported");
    assert_eq!(short(&crate::images::rows(&run.json)), ["e.io/a:1 certain", "e.io/b:1 certain"]);
    has(&[("images.lock", "\u{feff}e.io/lock:1\n")], &["e.io/lock:1 certain"]);
}

#[test]
fn nothing_is_too_deep_or_too_large_to_be_told_from() {
    let deep = vec!["a"; 200_000].join(".");
    let argo = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec: {{source: {{chart: c, repoURL: \"https://c.io\", targetRevision: 1.0.0, helm: {{parameters: [{{name: {deep}, value: x}}]}}}}}}\n"
    );
    has(&[("a.yaml", &argo)], &["c opaque"]);
    let field = format!(
        "{OVER}replacements:\n- source: {{kind: Pod, fieldPath: metadata.name}}\n  targets: [{{select: {{kind: Pod}}, fieldPaths: [{deep}], options: {{create: true}}}}]\n"
    );
    has(&[("kustomization.yaml", &field), ("p.yaml", POD)], &["e.io/a:1 certain", "replacement unreadable"]);
    let copies: String =
        (0..30).map(|at| format!("{{\"op\": \"copy\", \"from\": \"/spec\", \"path\": \"/spec/x{at}\"}},")).collect();
    let patch = format!("{OVER}patches:\n- target: {{kind: Pod}}\n  patch: '[{}]'\n", copies.trim_end_matches(','));
    has(&[("kustomization.yaml", &patch), ("p.yaml", POD)], &["e.io/a:1 certain", "patch unreadable"]);
}

#[test]
fn an_expression_that_cannot_be_read_is_told() {
    let patch = |name: &str| {
        format!(
            "{OVER}patches:\n- target: {{name: '{name}'}}\n  patch: '[{{\"op\": \"replace\", \"path\": \"/spec/containers/0/image\", \"value\": \"e.io/new:1\"}}]'\n"
        )
    };
    has(&[("kustomization.yaml", &patch("p|q.*")), ("p.yaml", POD)], &["e.io/new:1 certain"]);
    for name in ["\\pL", "(a{1,50}){1,50}"] {
        let expected = ["e.io/a:1 certain", &format!("{name} unreadable")];
        has(&[("kustomization.yaml", &patch(name)), ("p.yaml", POD)], &expected);
    }
    let images = format!("{OVER}images: [{{name: '(e.io/a{{1,900}}){{1,900}}', newTag: \"2\"}}]\n");
    has(&[("kustomization.yaml", &images), ("p.yaml", POD)], &["(e.io/a{1,900}){1,900} unreadable"]);
}

#[test]
fn more_builds_than_can_be_held_end_in_a_row() {
    let rest: String = (0..20_000).map(|at| format!("  k{at}: v\n")).collect();
    let large =
        format!("{}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata:\n  a: ${{X}}\n{rest}", POD);
    let orders: String = (0..200)
        .map(|at| {
            format!(
                "---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: k{at}}}\n\
                 spec: {{path: ./base, postBuild: {{substitute: {{X: v{at}}}}}}}\n"
            )
        })
        .collect();
    let files = [("base/p.yaml", large.as_str()), ("orders.yaml", orders.as_str())];
    has(&files, &["e.io/a:1 certain", "base unreadable"]);
}

#[test]
fn images_are_found_where_only_some_kinds_have_them() {
    let typed = "apiVersion: apps/v1\nkind: DeploymentList\nitems: [{metadata: {name: b}, spec: {template: {spec: {containers: [{image: \"e.io/typed:1\"}]}}}}]\n";
    has(&[("a.yaml", typed)], &["e.io/typed:1 certain"]);
    let object = |api: &str, kind: &str, spec: &str| {
        format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n")
    };
    for (api, kind, spec, expected) in [
        ("tekton.dev/v1beta1", "Pipeline", "{tasks: [{taskRef: {bundle: e.io/bundle:1}}]}", "e.io/bundle:1 certain"),
        (
            "tekton.dev/v1",
            "TaskRun",
            "{taskRef: {resolver: bundles, params: [{name: bundle, value: e.io/b:2}]}}",
            "e.io/b:2 inferred",
        ),
        (
            "tekton.dev/v1",
            "PipelineRun",
            "{pipelineSpec: {finally: [{taskSpec: {steps: [{image: redis}]}}]}}",
            "docker.io/library/redis:latest certain",
        ),
        (
            "upgrade.cattle.io/v1",
            "Plan",
            "{version: v1.30.0+k3s1, upgrade: {image: e.io/k3s}}",
            "e.io/k3s:v1.30.0-k3s1 inferred",
        ),
        (
            "cdi.kubevirt.io/v1beta1",
            "DataVolume",
            "{source: {registry: {url: \"docker://e.io/dv:1\"}}}",
            "e.io/dv:1 certain",
        ),
        ("extensions.istio.io/v1alpha1", "WasmPlugin", "{url: \"e.io/wasm:1\"}", "e.io/wasm:1 certain"),
        ("a.io/v1", "Cache", "{cacheSpec: [{images: [e.io/s1:1]}]}", "e.io/s1:1 inferred"),
        ("a.io/v1", "App", "{imageUrl: e.io/url:1}", "e.io/url:1 inferred"),
        ("a.io/v1", "Stack", "{parts: {status: {image: \"e.io/status:1\"}}}", "e.io/status:1 inferred"),
        ("monitoring.coreos.com/v1", "Prometheus", "{baseImage: e.io/prom, tag: v1}", "e.io/prom:v1 inferred"),
        (
            "argoproj.io/v1alpha1",
            "Workflow",
            "{podSpecPatch: '{\"containers\": [{\"name\": \"main\", \"image\": \"e.io/psp:1\"}]}'}",
            "e.io/psp:1 inferred",
        ),
    ] {
        has(&[("a.yaml", &object(api, kind, spec))], &[expected]);
    }
    let pod = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: e.io/a:1\n    command: [sh, -c, \"exec run --worker-image=e.io/w:1 --v=2\"]\n    \
               args: [\"--images=e.io/x:1,e.io/y:1\", \"--tool-image=e.io/z:$(TAG)\", --image-pull-policy=e.io/no:1]\n";
    let rows = of(&[("a.yaml", pod)]);
    let wanted =
        ["e.io/a:1 certain", "e.io/w:1 inferred", "e.io/x:1 inferred", "e.io/y:1 inferred", "e.io/z:$(TAG) unresolved"];
    assert!(wanted.iter().all(|row| short(&rows).iter().any(|own| own == row)), "{rows:#?}");
    // In quotes a line break is none of the file's.
    let quoted = "apiVersion: v1\nkind: ConfigMap\ndata:\n  pod.yaml: \"apiVersion: v1\\nkind: Pod\\nspec:\\n  containers:\\n  - image: e.io/q:1\\n\"\n";
    let rows = of(&[("a.yaml", quoted)]);
    assert_eq!(rows[0].places, ["a.yaml:4"], "{rows:#?}");
}

#[test]
fn values_and_templates_that_cannot_be_seen_are_told() {
    let chart = [("c/Chart.yaml", "name: c\n"), ("c/values.yaml", "image: e.io/c:1\n")];
    let with = |path: &'static str, content: &'static str| -> Vec<(&'static str, &'static str)> {
        chart.iter().copied().chain([(path, content)]).collect()
    };
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: r}\n\
                   spec: {chart: {spec: {chart: ./c, sourceRef: {kind: GitRepository}}}, valuesFrom: [{kind: Secret, name: hidden}]}\n";
    has(&with("r.yaml", release), &["e.io/c:1 inferred", "hidden opaque"]);
    let argo = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec: {source: {path: c, helm: {valueFiles: [gone.yaml]}}}\n";
    has(&with("a.yaml", argo), &["e.io/c:1 inferred", "gone.yaml opaque"]);
    let template = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec: {source: {path: {{ .Values.path }}}}\n";
    has(&with("c/templates/a.yaml", template), &["e.io/c:1 inferred", "Application opaque"]);
    // Clusters may be declared elsewhere too.
    let set = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: s}\nspec: {generators: [{clusters: {}}], template: {spec: {source: {path: \"apps/{{name}}\"}}}}\n---\n\
               apiVersion: v1\nkind: Secret\nmetadata: {labels: {argocd.argoproj.io/secret-type: cluster}}\nstringData: {name: eu}\n";
    has(&[("set.yaml", set), ("apps/eu/p.yaml", POD)], &["e.io/a:1 certain", "apps/{{name}} opaque"]);
    // A line that no known image can be behind, and one below its key.
    let values = "image: e.io/c:1\nside: {repo: e.io/side, at: \"2\"}\n";
    let templates = "image: {{ include \"c.image\" . }}\n---\nimage: {{ ternary .Values.side.repo .Values.side.at true }}\n---\nimage: >-\n  {{ .Values.side.repo }}:{{ .Values.side.at }}\n";
    let files = [("Chart.yaml", "name: c\n"), ("values.yaml", values), ("templates/a.yaml", templates)];
    has(&files, &["e.io/c:1 inferred", "e.io/side:2 inferred"]);
    let files = [files[0], files[1], ("templates/a.yaml", templates.split("---\nimage: >-").next().unwrap())];
    let rows = of(&files);
    assert!(short(&rows).iter().any(|row| row.ends_with("unresolved")), "{rows:#?}");
}

#[test]
fn charts_within_a_chart_have_the_values_that_it_gives_them() {
    let line = "image: {{ .Values.img.repo }}:{{ .Values.img.at }}\n";
    let dependencies = "name: top\ndependencies:\n- {name: side, version: 1.0.0, repository: \"file://../side\", alias: one}\n\
                        - {name: side, version: 1.0.0, repository: \"file://../side\", alias: two, condition: two.enabled}\n\
                        - {name: packed, version: 1.0.0}\n";
    let values = "one: {img: {at: \"2\"}}\ntwo: {enabled: false, img: {at: \"3\"}}\npacked: {image: {tag: \"5\"}}\n";
    let files = [
        ("top/Chart.yaml", dependencies),
        ("top/values.yaml", values),
        ("top/charts/packed/Chart.yaml", "name: packed\n"),
        ("top/charts/packed/values.yaml", "image: {repository: e.io/packed, tag: \"4\"}\n"),
        ("side/Chart.yaml", "name: side\n"),
        ("side/values.yaml", "img: {repo: e.io/side, at: \"1\"}\n"),
        ("side/templates/a.yaml", line),
    ];
    let rows = of(&files);
    let of_top: Vec<String> = short(&rows.into_iter().filter(|row| row.root == "top").collect::<Vec<_>>());
    assert_eq!(of_top, ["e.io/side:2 inferred", "e.io/packed:5 inferred"]);
    // Charts that are parts of each other have an end.
    let each = |name: &str| {
        format!("name: a\ndependencies: [{{name: b, version: 1.0.0, repository: \"file://../{name}\"}}]\n")
    };
    let (a, b) = (each("b"), each("a"));
    has(&[("a/Chart.yaml", &a), ("b/Chart.yaml", &b), ("a/values.yaml", "image: e.io/a:1\n")], &["e.io/a:1 inferred"]);
}

#[test]
fn images_are_found_in_whatever_form_a_template_or_a_text_has_them() {
    let template = "spec:\n  initContainers: [{name: i, image: \"e.io/flow:1\"}]\n  containers:\n  - {name: b, image: \"e.io/filled:{{ .Values.tag }}\"}\n  \
                    - image: &d \"e.io/anchor:1\"\n  - image: >-\n      e.io/below:1\n    args: [\"--sidecar-image=e.io/option:1\"]\n    \
                    env: [{name: X, value: \"e.io/value:{{ .Values.tag }}\"}]\n  - image: {{ include \"c.helper\" . | quote }}\n  \
                    {{- /* image: e.io/no:1 */}}\n";
    let helper = "{{- define \"c.helper\" -}}\n{{- $tag := .Values.tag | default .Chart.AppVersion -}}\n\
                  {{- printf \"%s/helped:%s\" .Values.host $tag -}}\n{{- end -}}\n";
    let rows = of(&[
        ("Chart.yaml", "name: c\n"),
        ("values.yaml", "tag: \"2\"\nhost: e.io\n"),
        ("templates/_h.tpl", helper),
        ("templates/a.yaml", template),
    ]);
    let mut found = short(&rows);
    found.sort();
    let expected = ["anchor:1", "below:1", "filled:2", "flow:1", "helped:2", "option:1", "value:2"];
    assert_eq!(found, expected.map(|row| format!("e.io/{row} inferred")));
    // Helpers that write each other many times end in a row.
    let many = |name: &str, inner: &str| format!("{{{{ define \"{name}\" }}}}{}{{{{ end }}}}\n", inner.repeat(100));
    let helpers: String = (0..7)
        .map(|at| many(&format!("h{at}"), &format!("{{{{ include \"h{}\" . }}}}", at + 1)))
        .chain([many("h7", "e.io/x")])
        .collect();
    let files = [
        ("Chart.yaml", "name: c\n"),
        ("templates/_h.tpl", &*helpers),
        ("templates/a.yaml", "image: {{ include \"h0\" . }}\n"),
    ];
    assert!(short(&of(&files)).iter().any(|row| row.ends_with(" unresolved")));
    // What nothing known can be behind is told, whatever it goes through.
    let values = "image: e.io/c:1\nodd: {a: e.io/odd, b: \"1\"}\nmore: {x: {repository: e.io/x}}\n";
    for template in [
        "image: {{ include \"lib.image\" (dict \"root\" .Values.odd \"global\" .Values.global) }}\n",
        "{{- with .Values.odd }}\nimage: {{ .a }}:{{ .b }}\n{{- end }}\n",
        "{{- range $k, $v := .Values.more }}\nimage: \"{{ $v.repository }}:{{ $v.tag | default \"1\" }}\"\n{{- end }}\n",
    ] {
        let rows = of(&[("Chart.yaml", "name: c\n"), ("values.yaml", values), ("templates/a.yaml", template)]);
        assert!(short(&rows).iter().any(|row| row.ends_with(" unresolved")), "{template} {rows:#?}");
    }
    let known = "image: {{ include \"lib.image\" (dict \"root\" .Values.image \"global\" .Values.global) }}\n";
    let rows = of(&[("Chart.yaml", "name: c\n"), ("values.yaml", values), ("templates/a.yaml", known)]);
    assert_eq!(short(&rows), [". opaque", "e.io/c:1 inferred"]);
    let env = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: e.io/a:1\n    env:\n    - name: KAFKA_IMAGES\n      value: |\n        \
               3.6=e.io/k:6\n        3.7=e.io/k:7\n    - {name: IMAGES, value: \"e.io/i:1,e.io/i:2\"}\n    - {name: C, value: '{\"image\": \"e.io/json:1\"}'}\n";
    let rows = of(&[("a.yaml", env)]);
    let of_line = |reference: &str| rows.iter().find(|row| row.reference == reference).map(|row| row.places[0].clone());
    for (reference, place) in
        [("e.io/k:6", 9), ("e.io/k:7", 10), ("e.io/i:1", 11), ("e.io/i:2", 11), ("e.io/json:1", 12)]
    {
        assert_eq!(of_line(reference), Some(format!("a.yaml:{place}")), "{rows:#?}");
    }
    let broken = "kind: {\n- {name: i, image: e.io/flow:1}\n{\"image\":\"e.io/json:1\"}\n";
    has(&[("a.yaml", broken)], &["a.yaml unreadable", "e.io/flow:1 inferred", "e.io/json:1 inferred"]);
    let settings = "apiVersion: v1\nkind: ConfigMap\ndata:\n  a.toml: |\n    image = \"e.io/toml:1\"\n  b.conf: |\n    spark.container.image=e.io/spark:1\n    WORKER_IMAGE=e.io/w:1\n";
    has(&[("a.yaml", settings)], &["e.io/toml:1 inferred", "e.io/spark:1 inferred", "e.io/w:1 inferred"]);
    let servers = "apiVersion: v1\nkind: ConfigMap\ndata: {IMAGE_REGISTRY: \"e.io:5000\", IMAGE_SERVICE: \"thumbor:8000\", DEFAULT_IMAGE: \"localhost:5000\", IMAGE_REPOSITORY: e.io/team}\n";
    assert_eq!(short(&of(&[("a.yaml", servers)])), Vec::<String>::new());
    let open = "apiVersion: v1\nkind: ConfigMap\ndata:\n  p.yaml: |\n    image: e.io/open:${nope}\n";
    has(&[("a.yaml", open)], &["e.io/open:${nope} unresolved"]);
    let secret = "apiVersion: v1\nkind: Secret\nstringData: {WORKER_IMAGE: \"e.io/s:1\"}\n";
    has(&[("a.yaml", secret)], &["e.io/s:1 inferred"]);
}

#[test]
fn sets_merge_and_override_as_argo_does() {
    let set = |generators: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: s}}\nspec:\n  generators: {generators}\n  \
             template: {{spec: {{source: {{chart: c, repoURL: \"https://c.io\", targetRevision: 1.0.0, helm: {{parameters: [{{name: image, value: \"e.io/a:{{{{values.t}}}}\"}}, \
             {{name: sideImage, value: \"e.io/b:{{{{ .x | default \\\"1\\\" }}}}\"}}]}}}}}}}}\n"
        )
    };
    let merge = set(
        "[{merge: {mergeKeys: [server], generators: [{clusters: {values: {t: \"1\"}}}, {clusters: {selector: {matchLabels: {env: prod}}, values: {t: \"2\"}}}]}}]",
    );
    has(
        &[("a.yaml", &merge)],
        &["e.io/a:1 inferred", "e.io/a:2 inferred", "e.io/b:{{ .x | default \"1\" }} unresolved"],
    );
    let own = set(
        "[{list: {elements: [{values.t: \"3\"}], template: {spec: {source: {repoURL: \"\", targetRevision: 2.0.0}}}}}]",
    );
    let rows = of(&[("a.yaml", &own)]);
    assert!(rows.iter().any(|row| row.reference == "https://c.io/c:2.0.0"), "{rows:#?}");
    assert!(rows.iter().any(|row| row.reference == "e.io/a:3"), "{rows:#?}");
}

#[test]
fn parts_of_images_are_put_together_as_charts_do() {
    for (values, expected) in [
        ("op: {image: tigera/operator, version: v1, registry: quay.io}", "quay.io/tigera/operator:v1"),
        ("image: {registry: e.io, repository: strimzi, name: kafka, tag: \"1\"}", "e.io/strimzi/kafka:1"),
        ("image: {containerRegistry: e.io, repository: ebs/driver, tag: v1}", "e.io/ebs/driver:v1"),
        ("x: {imageRegistry: e.io, imageName: team/x, imageTag: \"3\"}", "e.io/team/x:3"),
        ("x: {imageRepo: e.io/x, imageVersion: \"4\"}", "e.io/x:4"),
        ("x: {defaultRepository: e.io/air, defaultTag: \"2\"}", "e.io/air:2"),
        ("x: {image: {repo: e.io/r, version: \"5\"}}", "e.io/r:5"),
        ("x: {image: {url: e.io/u, tag: \"6\"}}", "e.io/u:6"),
        ("x: {imageEnvoy: \"envoyproxy/envoy:v1\", imagePullPolicy: a/b:1}", "docker.io/envoyproxy/envoy:v1"),
    ] {
        let release = format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nspec: {{chartRef: {{kind: OCIRepository, name: o}}, values: {{{values}}}}}\n"
        );
        let rows = of(&[("r.yaml", &release)]);
        let found: Vec<String> = short(&rows).into_iter().filter(|row| !row.ends_with("opaque")).collect();
        assert_eq!(found, [format!("{expected} inferred")], "{values}");
    }
}

#[test]
fn kustomize_is_followed_where_readers_differ() {
    let patch = |name: &str, patch: &str, more: &str| {
        format!("{OVER}patches:\n- target: {{{name}}}\n  patch: |\n    {patch}\n{more}")
    };
    let change = "[{\"op\": \"replace\", \"path\": \"/spec/containers/0/image\", \"value\": \"e.io/new:1\"}]";
    let labelled = format!("{OVER}labels: [{{pairs: {{a: b}}}}]\ncommonAnnotations: {{c: d}}\n");
    let over = |target: &str| format!("resources: [base]\npatches: [{{target: {{{target}}}, patch: '{change}'}}]\n");
    // Labels that a base is given select what it has.
    for target in ["labelSelector: a=b", "annotationSelector: c=d", "labelSelector: \"a=b,!e\""] {
        let files = [
            ("base/kustomization.yaml", labelled.as_str()),
            ("base/p.yaml", POD),
            ("kustomization.yaml", &over(target)),
        ];
        has(&files, &["e.io/new:1 certain"]);
    }
    // So do names that it had.
    let renamed = format!(
        "{OVER}patches: [{{target: {{kind: Pod}}, options: {{allowNameChange: true}}, patch: '[{{\"op\": \"replace\", \"path\": \"/metadata/name\", \"value\": \"q\"}}]'}}]\n"
    );
    has(
        &[("base/kustomization.yaml", &renamed), ("base/p.yaml", POD), ("kustomization.yaml", &over("name: p"))],
        &["e.io/new:1 certain"],
    );
    // Lines end where YAML 1.1 ends them, and are counted as editors do.
    let hidden = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a # x\u{2028}    image: e.io/ls:1\n  - image: e.io/b:1\n";
    let rows = of(&[("a.yaml", hidden)]);
    assert!(rows.iter().any(|row| row.reference == "e.io/ls:1" && row.places == ["a.yaml:5"]), "{rows:#?}");
    assert!(rows.iter().any(|row| row.reference == "e.io/b:1" && row.places == ["a.yaml:6"]), "{rows:#?}");
    let merged = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - !!merge \"<<\": {image: \"e.io/merged:1\"}\n";
    has(&[("a.yaml", merged)], &["e.io/merged:1 certain"]);
    let twice = "Resources: [q.yaml]\nresources: [p.yaml]\n";
    has(&[("kustomization.yaml", twice), ("p.yaml", POD), ("q.yaml", "a: 1\n")], &["e.io/a:1 certain"]);
    let several = "- {op: add, path: /metadata/labels, value: {}}\n---\n- {op: replace, path: /spec/containers/0/image, value: \"e.io/new:1\"}\n";
    let files = [
        ("kustomization.yaml", "resources: [p.yaml]\npatches: [{path: j.yaml, target: {kind: Pod}}]\n"),
        ("p.yaml", POD),
        ("j.yaml", several),
    ];
    has(&files, &["e.io/a:1 certain"]);
    let monitor = "apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: p}\nspec: {containers: [{image: \"e.io/kind:1\"}]}\n";
    let kind = patch(
        "kind: PodMonitor",
        "{apiVersion: v1, kind: Pod, metadata: {name: p}}",
        "  options: {allowKindChange: true}\n",
    );
    has(&[("kustomization.yaml", &kind), ("p.yaml", monitor)], &["e.io/kind:1 certain"]);
    let front = format!(
        "{OVER}replacements:\n- source: {{kind: Pod, fieldPath: metadata.name}}\n  targets: [{{select: {{kind: Pod}}, fieldPaths: [spec.containers.0.image], options: {{delimiter: /, index: -1}}}}]\n"
    );
    has(&[("kustomization.yaml", &front), ("p.yaml", POD)], &["docker.io/p/e.io/a:1 certain"]);
    // What is not followed is told.
    for (more, file, told) in [
        ("openapi: {path: s.json}\n", "{}", "s.json opaque"),
        (
            "configurations: [s.json]\nnamePrefix: x-\n",
            "namePrefix: [{path: spec/containers/image}]",
            "spec/containers/image opaque",
        ),
        (
            "labels: [{pairs: {reference: x}, fields: [{path: spec/volumes/image}]}]\n",
            "{}",
            "spec/volumes/image opaque",
        ),
    ] {
        has(&[("kustomization.yaml", &format!("{OVER}{more}")), ("p.yaml", POD), ("s.json", file)], &[told]);
    }
}

#[test]
fn whatever_argo_and_helm_read_besides_is_told() {
    let app = |more: &str| {
        format!("apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: a}}\nspec: {{{more}}}\n")
    };
    let plain = app("source: {path: apps}");
    for (path, content) in [("apps/d.jsonnet", "{}"), ("apps/.argocd-source-a.yaml", "kustomize: {}\n")] {
        let rows = of(&[("app.yaml", &plain), ("apps/p.yaml", POD), (path, content)]);
        assert!(rows.iter().any(|row| row.confidence == "opaque" && row.places[0].starts_with(path)), "{rows:#?}");
    }
    for more in ["sourceHydrator: {drySource: {path: x}}", "source: {path: apps, plugin: {name: p}}"] {
        has(&[("app.yaml", &app(more)), ("apps/p.yaml", POD)], &["a opaque"]);
    }
    let chart = [("Chart.yaml", "name: c\n"), ("values.yaml", "image: e.io/a:1\n")];
    let with = |path: &'static str, content: &'static str| [chart[0], chart[1], (path, content)];
    has(&with("templates/d.txt", "image: e.io/txt:1\n"), &["e.io/txt:1 inferred"]);
    has(&with("templates/d.yaml", "{{ .Values.m | b64dec }}\n"), &["templates/d.yaml opaque"]);
    has(&with("charts/x-1.tgz", "x"), &["charts/x-1.tgz opaque"]);
}

#[test]
fn what_kustomize_leaves_out_of_a_patch_is_not_applied_and_told() {
    let patch = |sign: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, labels: {{a: b}}}}{sign}apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{name: a, image: \"e.io/new:1\"}}]}}\n"
        )
    };
    for sign in ["\n...\n", "\r---\r", "\u{85}---\u{85}", "\u{2028}---\n"] {
        let over = format!("{OVER}patches: [{{path: q.yaml}}]\n");
        let files = [("kustomization.yaml", over.as_str()), ("p.yaml", POD), ("q.yaml", &patch(sign))];
        has(&files, &["e.io/a:1 certain", "q.yaml unreadable"]);
    }
    let applied = format!("{OVER}patches: [{{path: q.yaml}}]\n");
    for sign in ["\n---\n", "\r\n--- # x\r\n", "\n---\n---\n---\n"] {
        let rows = of(&[("kustomization.yaml", &applied), ("p.yaml", POD), ("q.yaml", &patch(sign))]);
        assert_eq!(short(&rows), ["e.io/b:1 certain", "e.io/new:1 certain"], "{sign:?} {rows:#?}");
    }
    // Of a key that stands twice kustomize takes the first value here.
    let twice = format!(
        "{OVER}patches:\n- patch: |\n    apiVersion: v1\n    kind: Pod\n    metadata: {{name: p}}\n    spec: {{containers: [{{name: a, image: \"e.io/x:1\", image: \"e.io/y:1\"}}]}}\n"
    );
    let rows = of(&[("kustomization.yaml", &twice), ("p.yaml", POD)]);
    assert!(rows.iter().any(|row| row.reference == "patch" && row.places == ["kustomization.yaml:7"]), "{rows:#?}");
    // What becomes of a list with items that have no name is beyond telling.
    let nameless = format!(
        "{OVER}patches: [{{patch: '{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{{name: b, $patch: delete}}, {{$patch: replace}}]}}}}'}}]\n"
    );
    has(&[("kustomization.yaml", &nameless), ("p.yaml", POD)], &["patch unreadable"]);
    // A comment says how the lists of a custom resource are merged.
    let custom = |comment: &str, name: &str| {
        format!(
            "apiVersion: a.io/v1\nkind: App\nmetadata: {{name: a}}\nspec:\n  containers: {comment}\n  - {{name: {name}, image: \"e.io/{name}:1\"}}\n"
        )
    };
    let over = "resources: [p.yaml]\npatches: [{path: q.yaml}]\n";
    let schema = "# {\"\\u0024ref\": \"#/definitions/io.k8s.api.core.v1.PodSpec/properties/containers\"}";
    for (own, patch, is_told) in [("", schema, true), (schema, "", true), ("# {a: b}", "# {\"$x\": \"y\"}", false)] {
        let files = [("kustomization.yaml", over), ("p.yaml", &custom(own, "a")), ("q.yaml", &custom(patch, "b"))];
        let rows = short(&of(&files));
        assert_eq!(rows.contains(&"patch opaque".to_owned()), is_told, "{rows:?}");
    }
}

#[test]
fn a_resource_that_cannot_be_read_is_told_whatever_its_bytes() {
    let deep =
        format!("{{\"x\": {}{}, \"apiVersi\\u006fn\": \"v1\", \"kind\": \"Pod\"}}", "[".repeat(250), "]".repeat(250));
    has(&[("kustomization.yaml", "resources: [p.json]\n"), ("p.json", &deep)], &["p.json unreadable"]);
    has(&[("p.json", &deep)], &["p.json unreadable"]);
    let settings = "{\"a\": 1, // why\n \"b\": [}\n";
    has(&[("kustomization.yaml", "resources: [s.json]\n"), ("s.json", settings)], &["s.json unreadable"]);
    assert_eq!(short(&of(&[("s.json", settings), ("p.yaml", POD)])).len(), 2);
}

#[test]
fn replacements_and_transformers_write_where_images_stand() {
    let volume =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {volumes: [{name: v, image: {pullPolicy: Always}}]}\n";
    let labels = "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: t}\nlabels: {reference: \"e.io/v:1\"}\nfieldSpecs: [{path: spec/volumes/image, create: true}]\n";
    let over = "resources: [p.yaml]\ntransformers: [t.yaml]\n";
    has(&[("kustomization.yaml", over), ("p.yaml", volume), ("t.yaml", labels)], &["e.io/v:1 certain"]);
    let count = "apiVersion: builtin\nkind: ReplicaCountTransformer\nmetadata: {name: t}\nreplica: {name: p, count: 7}\nfieldSpecs: [{path: spec/containers/image}]\n";
    let files = [("kustomization.yaml", over), ("p.yaml", POD), ("t.yaml", count)];
    has(&files, &["docker.io/library/7:latest certain"]);
    let replace = |target: &str| {
        format!(
            "{OVER}replacements: [{{sourceValue: e.io/said:1, targets: [{{{target}, fieldPaths: [spec.containers.0.image]}}]}}]\n"
        )
    };
    for (target, is_meant) in [
        ("select: {version: \"v.\", name: \"p|q\"}", true),
        ("select: {kind: Pod}, reject: [{}]", true),
        ("select: {kind: Pod}, reject: [{kind: \"P.*\"}]", false),
        ("select: {kind: Pod}, reject: [{name: other, labelSelector: \"!x\"}]", false),
    ] {
        let expected = if is_meant { "e.io/said:1 certain" } else { "e.io/a:1 certain" };
        has(&[("kustomization.yaml", &replace(target)), ("p.yaml", POD)], &[expected]);
    }
    // kustomize looks into texts too.
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: p}\ndata:\n  a: |\n    image: e.io/text:1\n";
    let within = format!(
        "{OVER}replacements: [{{sourceValue: e.io/x:1, targets: [{{select: {{kind: ConfigMap}}, fieldPaths: [data.a.image]}}]}}]\n"
    );
    has(&[("kustomization.yaml", &within), ("p.yaml", text)], &["replacement opaque"]);
}
