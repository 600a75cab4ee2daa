//! References in the shapes that public repositories are full of, by the real binary.

use crate::images::{POD, full, of, short};

#[test]
fn parameters_with_values_are_put_in_and_others_stay_open() {
    let rows = of(&[(
        "a.yaml",
        "apiVersion: tekton.dev/v1\nkind: Task\nspec:\n  params:\n  - {name: BUILDER, default: \"e.io/b:1\"}\n  - {name: tag, default: \"7\"}\n  - {name: open}\n  \
         steps:\n  - {image: $(params.BUILDER)}\n  - {image: \"e.io/c:$(params.tag)\"}\n  - {image: $(params.open)}\n---\n\
         apiVersion: tekton.dev/v1\nkind: TaskRun\nspec:\n  params: [{name: i, value: \"e.io/given:1\"}]\n  \
         taskSpec: {params: [{name: i, default: \"e.io/default:1\"}], steps: [{image: $(params.i)}]}\n---\n\
         apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nspec:\n  arguments: {parameters: [{name: x, value: \"e.io/w:1\"}]}\n  templates:\n  \
         - container: {image: \"{{workflow.parameters.x}}\"}\n  - {inputs: {parameters: [{name: y}]}, container: {image: \"{{inputs.parameters.y}}\"}}\n---\n\
         apiVersion: template.openshift.io/v1\nkind: Template\nparameters: [{name: T, value: \"3\"}]\n\
         objects: [{apiVersion: v1, kind: Pod, spec: {containers: [{image: \"e.io/t:${T}\"}, {image: \"e.io/u:${U}\"}]}}]\n",
    )]);
    let expected = [
        "image $(params.open) unresolved a.yaml:11",
        "image e.io/b:1 inferred a.yaml:9,a.yaml:5",
        "image e.io/c:7 inferred a.yaml:10,a.yaml:6",
        "image e.io/given:1 inferred a.yaml:17,a.yaml:16",
        "image e.io/t:3 inferred a.yaml:30,a.yaml:29",
        "image e.io/u:${U} unresolved a.yaml:30",
        "image e.io/w:1 inferred a.yaml:24,a.yaml:22",
        "image {{inputs.parameters.y}} unresolved a.yaml:25",
    ];
    let mut found = full(&rows);
    found.sort();
    assert_eq!(found, expected, "{rows:#?}");
}

#[test]
fn parts_of_images_image_streams_and_artifacts_are_found_in_custom_resources() {
    let rows = of(&[(
        "a.yaml",
        "apiVersion: k8s.mariadb.com/v1\nkind: MariaDB\nspec: {image: {repository: mariadb, tag: 10.7.4}}\n---\n\
         apiVersion: image.openshift.io/v1\nkind: ImageStream\nspec:\n  tags:\n  - {name: a, from: {kind: DockerImage, name: \"e.io/stream:1\"}}\n  \
         - {name: b, from: {kind: ImageStreamTag, name: \"stream:2\"}}\n---\n\
         apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nspec: {distribution: {artifact: \"oci://e.io/flux:v2\"}, sync: {kind: OCIRepository, url: \"oci://e.io/sync\", ref: main}, more: {url: \"oci://e.io/no-tag\"}}\n---\n\
         apiVersion: serving.kserve.io/v1\nkind: InferenceService\nspec: {predictor: {model: {storageUri: \"oci://e.io/model:v1\"}}}\n---\n\
         apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nspec: {values: {instance: {artifact: \"oci://e.io/values:v3\"}}}\n---\n\
         apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec: {source: {repoURL: \"oci://e.io/argo\", path: ., targetRevision: 1.0.0}}\n",
    )]);
    let expected = [
        "image docker.io/library/mariadb:10.7.4 inferred a.yaml:3",
        "image e.io/stream:1 inferred a.yaml:9",
        "oci e.io/flux:v2 certain a.yaml:14",
        "oci e.io/sync:main inferred a.yaml:14",
        "oci e.io/model:v1 inferred a.yaml:18",
        "oci e.io/values:v3 inferred a.yaml:22",
        "oci e.io/argo:1.0.0 certain a.yaml:26",
    ];
    assert_eq!(full(&rows), expected, "{rows:#?}");
}

#[test]
fn an_image_in_parts_is_put_together_and_settings_that_are_named_for_images_are_read() {
    let rows = of(&[
        (
            "a.yaml",
            "apiVersion: nvidia.com/v1\nkind: ClusterPolicy\nspec:\n  driver: {repository: nvcr.io/nvidia, image: driver, version: \"550\"}\n  \
             whole: {repository: e.io/x/whole, image: whole, tag: \"1\"}\n  image_web: e.io/web\n  image_web_version: s\n  \
             image_pull_policy: Always\n  someImage: e.io/some\n  someImageTag: \"2\"\n---\n\
             apiVersion: v1\nkind: ConfigMap\ndata:\n  cacheImage: e.io/cache\n  SANDBOX_IMAGE: e/sandbox\n  imageName: no\n  image.path: a/b\n  a.py: |\n    image: e.io/python:1\n  \
             agent.xml: |\n    <image>e.io/agent:v4</image>\n    <image>none</image>\n  \
             inject: |\n    apiVersion: of.what\n    # kind: none\n    template: |\n      containers:\n      - image: busybox:1.28\n",
        ),
        (
            "b.yaml",
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nspec: {values: {kube: {repository: kubed, image: fed, tag: v0.8}}}\n",
        ),
    ]);
    let mut found = full(&rows);
    found.sort();
    let expected = [
        "image docker.io/kubed/fed:v0.8 inferred b.yaml:3",
        "image docker.io/e/sandbox:latest inferred a.yaml:16",
        "image docker.io/library/busybox:1.28 inferred a.yaml:29",
        "image e.io/agent:v4 inferred a.yaml:22",
        "image e.io/cache:latest inferred a.yaml:15",
        "image e.io/some:2 inferred a.yaml:9,a.yaml:10",
        "image e.io/web:s inferred a.yaml:6,a.yaml:7",
        "image e.io/x/whole:1 inferred a.yaml:5",
        "image nvcr.io/nvidia/driver:550 inferred a.yaml:4",
    ];
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected, "{rows:#?}");
}

#[test]
fn objects_that_others_make_are_looked_into_as_objects_and_texts_of_them_too() {
    let rows = of(&[(
        "a.yaml",
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec:\n  templates:\n  - resource:\n      manifest: |\n        \
         apiVersion: batch/v1\n        kind: Job\n        spec: {template: {spec: {containers: [{image: python}]}}}\n---\n\
         apiVersion: triggers.tekton.dev/v1beta1\nkind: TriggerTemplate\nspec:\n  resourcetemplates:\n  - apiVersion: tekton.dev/v1\n    \
         kind: TaskRun\n    spec: {taskSpec: {steps: [{image: ubuntu}]}}\n---\n\
         apiVersion: apiextensions.crossplane.io/v1\nkind: Composition\nspec:\n  resources:\n  - base:\n      apiVersion: v1\n      \
         kind: Pod\n      spec: {initContainers: [{image: \"e.io/base:1\"}]}\n  - base: {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, \
         spec: {image: \"e.io/never:1\"}}\n  - base: {apiVersion: helm.crossplane.io/v1beta1, kind: Release, spec: {forProvider: {chart: \
         {name: c, repository: \"https://c.io\", version: 1.0.0}}}}\n---\n\
         apiVersion: batch/v1\nkind: Job\nspec: {template: {spec: {containers: [{image: \"e.io/job:1\", args: [--worker-image=acme/worker:3, --exec-image, acme/exec:4, --not, acme/not:5, \"-c\", \"kubectl apply -f - <<E\\n\
         apiVersion: v1\\nkind: Pod\\nspec:\\n  image: e.io/applied:1\\nE\\n\"]}]}}}\n",
    )]);
    assert!(rows.iter().any(|row| row.reference == "https://c.io/c:1.0.0" && row.class == "chart"), "{rows:#?}");
    let mut found = short(&rows);
    found.sort();
    let expected = [
        "c opaque",
        "docker.io/acme/exec:4 inferred",
        "docker.io/acme/worker:3 inferred",
        "docker.io/library/python:latest inferred",
        "docker.io/library/ubuntu:latest inferred",
        "e.io/applied:1 inferred",
        "e.io/base:1 inferred",
        "e.io/job:1 certain",
    ];
    assert_eq!(found, expected, "{rows:#?}");
    let places: Vec<&String> = rows.iter().flat_map(|row| &row.places).collect();
    assert!(
        ["a.yaml:9", "a.yaml:17", "a.yaml:26", "a.yaml:32"].iter().all(|at| places.iter().any(|place| place == at)),
        "{rows:#?}"
    );
}

#[test]
fn values_hold_objects_and_texts_of_them_and_policies_name_what_must_not_be_there() {
    let rows = of(&[
        (
            "a.yaml",
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nspec:\n  values:\n    extraObjects:\n    \
             - {apiVersion: v1, kind: Pod, spec: {containers: [{image: busybox}]}}\n    extraDeploy:\n    - |\n      apiVersion: v1\n      \
             kind: Pod\n      spec: {containers: [{image: nginx}]}\n    env: {SANDBOX_IMAGE: e/sandbox, MODE: a/b}\n    \
             kind: Deployment\n    apiVersion: apps/v1\n    spec: {}\n    image: {repository: e.io/like, tag: \"1\"}\n    \
             one: {enabled: false, image: \"e.io/off:1\"}\n    two: {enabled: \"false\", image: \"e.io/on:1\"}\n",
        ),
        (
            "b.yaml",
            "apiVersion: policy.open-cluster-management.io/v1\nkind: ConfigurationPolicy\nspec:\n  object-templates:\n  \
             - complianceType: musthave\n    objectDefinition: {apiVersion: v1, kind: Pod, spec: {containers: [{image: \"e.io/must:1\"}]}}\n  \
             - complianceType: mustNotHave\n    objectDefinition: {apiVersion: v1, kind: Pod, spec: {containers: [{image: \"e.io/not:1\"}]}}\n",
        ),
    ]);
    let mut found = short(&rows);
    found.sort();
    let expected = [
        "docker.io/e/sandbox:latest inferred",
        "docker.io/library/busybox:latest inferred",
        "docker.io/library/nginx:latest inferred",
        "e.io/like:1 inferred",
        "e.io/must:1 inferred",
        "e.io/on:1 inferred",
    ];
    assert_eq!(found, expected, "{rows:#?}");
}

#[test]
fn a_chart_comes_from_the_nearest_repository() {
    let repository = |url: &str| {
        format!(
            "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {{name: r, namespace: n}}\nspec: {{url: \"https://{url}\"}}\n"
        )
    };
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: x, namespace: n}\nspec: {chart: {spec: {chart: c, version: 1.0.0, sourceRef: {kind: HelmRepository, name: r}}}}\n";
    let (one, two) = (repository("one.io"), repository("two.io"));
    let rows = of(&[("live/one/r.yaml", &one), ("live/two/r.yaml", &two), ("old/one/x.yaml", release)]);
    let found: Vec<&str> = rows.iter().map(|row| row.reference.as_str()).collect();
    assert_eq!(found, ["c", "https://one.io/c:1.0.0"], "{rows:#?}");
}

#[test]
fn the_root_of_a_tree_is_no_folder_of_somebody_elses_source() {
    let order = |kind: &str, name: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: k}}\nspec: {{path: ./, sourceRef: {{kind: {kind}, name: {name}}}}}\n"
        )
    };
    let pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: \"e.io/a:1\"}]}\n";
    let roots = |order: &str| -> Vec<String> {
        let rows = of(&[("flux.yaml", order), ("pod.yaml", pod)]);
        rows.iter().map(|row| format!("{} {} {}", row.root, row.reference, row.confidence)).collect()
    };
    assert_eq!(roots(&order("GitRepository", "flux-system")), [". e.io/a:1 certain"]);
    assert_eq!(roots(&order("OCIRepository", "flux-manifests")), ["- ./ opaque", "- e.io/a:1 certain"]);
}

#[test]
fn templates_are_scanned_for_literals_and_definitions_are_not() {
    let rows = of(&[
        ("c/Chart.yaml", "name: c\n"),
        (
            "c/templates/a.yaml",
            "{{- if .x }}\nspec:\n  package: e.io/provider:v1\n  args:\n  - --helper=e.io/helper:1\n  - e.io/item:1\n  # - e.io/no:1\n  \
             chart: {{ .Chart }}\n  url: https://e.io/no:2\n  app: e.io/no\n  json: {\"image\":\"e.io/braces\"}\n",
        ),
        ("c/crds/a.yaml", "spec:\n  image:\n    default: e.io/no:3\n"),
    ]);
    let found = short(&rows);
    assert_eq!(
        found,
        ["e.io/provider:v1", "e.io/helper:1", "e.io/item:1", "e.io/braces:latest"].map(|row| format!("{row} inferred"))
    );
}

#[test]
fn what_a_patch_puts_into_a_remote_base_is_evidence() {
    let patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: {containers: [{name: a, image: \"e.io/merged:1\"}]}}}\n";
    let rows = of(&[
        (
            "kustomization.yaml",
            "resources: [\"https://github.com/acme/x//deploy?ref=v1\", p.yaml]\npatches:\n- path: patch.yaml\n- target: {kind: Job}\n  \
             patch: |-\n    - {op: replace, path: /spec/template/spec/containers/0/image, value: \"e.io/json:1\"}\n    \
             - {op: add, path: /spec/template/spec/containers/-, value: {name: b, image: \"e.io/added:1\"}}\n    \
             - {op: add, path: /metadata/labels/image, value: not}\n",
        ),
        ("patch.yaml", patch),
        ("p.yaml", POD),
    ]);
    let mut found = short(&rows);
    found.sort();
    let expected = [
        "e.io/a:1 certain",
        "e.io/added:1 inferred",
        "e.io/b:1 certain",
        "e.io/json:1 inferred",
        "e.io/merged:1 inferred",
        "https://github.com/acme/x//deploy?ref=v1 opaque",
    ];
    assert_eq!(found, expected, "{rows:#?}");
}

#[test]
fn a_file_of_settings_that_is_no_manifest_is_no_manifest_that_was_lost() {
    assert!(of(&[("tsconfig.json", "{\"a\": [")]).is_empty());
    assert_eq!(short(&of(&[("a.json", "{\"apiVersion\": [")])), ["a.json unreadable"]);
}

#[test]
fn a_reference_longer_than_any_name_is_cut_and_said() {
    let value = "y".repeat(100_000);
    let flux = format!(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: k}}\nspec:\n  path: ./apps\n  \
         sourceRef: {{kind: GitRepository, name: s}}\n  postBuild: {{substitute: {{V: \"{value}\"}}}}\n"
    );
    let pod = |times: usize| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{image: \"e.io/{}\"}}, {{image: \"e.io/a:1\"}}]}}\n",
            "${V}".repeat(times)
        )
    };
    let begun = std::time::Instant::now();
    // What is too much to be looked at is told as a whole.
    let rows = of(&[("clusters/k.yaml", &flux), ("apps/p.yaml", &pod(2000))]);
    assert!(rows.iter().any(|row| row.confidence == "unreadable"), "{rows:#?}");
    let rows = of(&[("clusters/k.yaml", &flux), ("apps/p.yaml", &pod(5))]);
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    let long = rows.iter().find(|row| row.reference.starts_with("e.io/yyyy")).unwrap();
    assert_eq!((long.confidence.as_str(), long.reference.chars().count()), ("unresolved", 1025));
    assert!(rows.iter().any(|row| row.reference == "e.io/a:1" && row.confidence == "certain"), "{rows:#?}");
}

#[test]
fn a_number_as_a_tag_is_what_a_template_prints() {
    let rows = of(&[
        ("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 1.0.0\n"),
        (
            "chart/values.yaml",
            "a: {image: {repository: e.io/a, tag: 012}}\nb: {image: {repository: e.io/b, tag: 20240101}}\nc: {image: {repository: e.io/c, tag: \"20240101\"}}\n",
        ),
    ]);
    let of = |name: &str| rows.iter().find(|row| row.reference.starts_with(name)).unwrap();
    for (name, reference, confidence) in [
        ("e.io/a", "e.io/a:10", "inferred"),
        // It prints 2.0240101e+07, which no tag can be.
        ("e.io/b", "e.io/b:20240101", "unresolved"),
        ("e.io/c", "e.io/c:20240101", "inferred"),
    ] {
        assert_eq!((of(name).reference.as_str(), of(name).confidence.as_str()), (reference, confidence));
    }
}

/// The rows of one file that is called `a.yaml`, sorted, each as its reference and how sure it is.
fn one(text: &str) -> Vec<String> {
    let mut rows = short(&of(&[("a.yaml", text)]));
    rows.sort();
    rows
}

/// A pod with more of its container.
fn container(more: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{name: a, {more}}}]}}\n")
}

#[test]
fn a_merge_key_below_a_key_that_it_has_too_is_told() {
    let pod = |entries: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nx: &b {{image: e/one:1}}\nspec: {{containers: [{{{entries}}}]}}\n"
        )
    };
    // The cluster takes what is merged, kustomize what stands there.
    assert_eq!(one(&pod("image: e/two:2, <<: *b")), ["a.yaml unreadable", "docker.io/e/two:2 unresolved"]);
    for (entries, image) in
        [("<<: *b, image: e/two:2", "two:2"), ("image: e/one:1, <<: *b", "one:1"), ("<<: *b", "one:1")]
    {
        assert_eq!(one(&pod(entries)), [format!("docker.io/e/{image} certain")], "{entries}");
    }
    let values = |entries: &str| {
        let values = format!("b: &b {{tag: \"1\"}}\nimage: {{repository: e/a, {entries}}}\n");
        short(&of(&[("c/Chart.yaml", "name: c\n"), ("c/values.yaml", &values)]))
    };
    assert_eq!(values("<<: *b, tag: \"2\""), ["docker.io/e/a:2 inferred"]);
    assert!(values("tag: \"2\", <<: *b").contains(&"docker.io/e/a:2 unresolved".to_owned()));
}

#[test]
fn what_is_packed_in_base64_is_looked_into() {
    let pod = "YXBpVmVyc2lvbjogdjEKa2luZDogUG9kCnNwZWM6IHtjb250YWluZXJzOiBbe2ltYWdlOiBlLmlvL2E6MX1dfQo=";
    let keys = [("Secret", "data"), ("ConfigMap", "binaryData")];
    for (kind, key) in keys {
        let object = format!(
            "apiVersion: v1\nkind: {kind}\nmetadata: {{name: s}}\n{key}: {{pod.yaml: {pod}, key: /w==, word: cGFzcw==}}\n"
        );
        assert_eq!(one(&object), ["e.io/a:1 inferred"], "{kind}");
    }
}

#[test]
fn variables_options_and_commands_are_of_images_by_what_they_end_with() {
    let found = |more: &str| one(&container(more));
    for name in ["PROXY_IMAGE", "UPLOADSERVER_IMAGE", "REPORTER_IMAGE", "RUNNER_IMAGE_URL", "RELATED_IMAGE_PROXY"] {
        let env = format!("env: [{{name: {name}, value: e/a:1}}]");
        assert_eq!(found(&env), ["docker.io/e/a:1 inferred"], "{name}");
    }
    for name in ["IMAGE_PULL_POLICY", "IMAGE_REGISTRY", "IMAGES_DIR", "IMAGEKIT_ID", "IMAGE_PROXY"] {
        assert!(found(&format!("env: [{{name: {name}, value: e/a:1}}]")).is_empty(), "{name}");
    }
    for option in ["proxy", "director", "policy", "gc", "streamer"] {
        assert_eq!(found(&format!("args: [--{option}-image=e/a:1]")), ["docker.io/e/a:1 inferred"], "{option}");
    }
    assert!(found("args: [--image-pull-policy=e/a:1, --destination=e.io/a:1, --cache-repo=e.io/a:2]").is_empty());
    assert_eq!(
        found("command: [sh, -c, \"kubectl set image d/w w=e.io/w:2 && crictl pull e.io/x:1; docker push e.io/y:1\"]"),
        ["e.io/w:2 inferred", "e.io/x:1 inferred"]
    );
    assert_eq!(found("env: [{name: JOB_IMAGE, value: busybox}]"), ["busybox unresolved"]);
    let parts =
        "env: [{name: A__WORKER_CONTAINER_REPOSITORY, value: e/a}, {name: A__WORKER_CONTAINER_TAG, value: 2.7.0}]";
    assert_eq!(found(parts), ["docker.io/e/a:2.7.0 inferred"]);
    let lists =
        "env: [{name: SIDECARS, value: '[{\"image\": \"e/x:1\"}]'}, {name: IMAGES, value: '[\"e/y:1\",\"e/z:1\"]'}]";
    assert_eq!(found(lists), ["x", "y", "z"].map(|name| format!("docker.io/e/{name}:1 inferred")));
    let job = "apiVersion: batch/v1\nkind: CronJob\nspec: {jobTemplate: {spec: {template: {metadata: {annotations: {sidecar.istio.io/proxyImage: e/proxy:1}}}}}}\n";
    assert_eq!(one(job), ["docker.io/e/proxy:1 inferred"]);
}

#[test]
fn what_others_read_out_of_config_maps_is_found_or_told() {
    let map = |data: &str| one(&format!("apiVersion: v1\nkind: ConfigMap\ndata:\n{data}"));
    for (data, expected) in [
        ("  spark-defaults.conf: |\n    spark.kubernetes.container.image  e/spark:3\n", "docker.io/e/spark:3 inferred"),
        (
            "  values: '{\"global\": {\"hub\": \"e.io/istio\", \"tag\": \"1\", \"proxy\": {\"image\": \"proxyv2\"}}, \"pilot\": {\"image\": \"pilot\"}}'\n",
            "e.io/istio/proxyv2:1 inferred",
        ),
        (
            "  m.json: '[{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {\"containers\": [{\"image\": \"nginx\"}]}}]'\n",
            "docker.io/library/nginx:latest inferred",
        ),
        ("  m.yaml: |\n    apiVersion: v1\n    kind: {{ .k }}\n    spec:\n    - image: nginx\n", "nginx unresolved"),
        ("  run.sh: |\n    docker run e.io/tool:1 x # e.io/no:1\n", "e.io/tool:1 inferred"),
        ("  run.sh: |\n    export RUNNER_IMAGE=e/r:1\n", "docker.io/e/r:1 inferred"),
        ("  runner: e/runner:1\n", "e/runner:1 unresolved"),
    ] {
        assert_eq!(map(data), [expected], "{data}");
    }
    assert!(map("  README.txt: |\n    image: e/no:1\n").is_empty());
}

#[test]
fn fields_of_custom_resources_are_put_together_or_told() {
    let of_kind = |version: &str, kind: &str, spec: &str| {
        one(&format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n"))
    };
    for (version, kind, spec, expected) in [
        ("apps.example.com/v1", "Widget", "{image: redis}", &["redis unresolved"][..]),
        ("acme.io/v1", "Thing", "{db: {image: e/db, version: '5'}}", &["e/db:? unresolved"]),
        ("acme.io/v1", "Thing", "{x: {containerImage: e/z, tag: '3'}}", &["docker.io/e/z:3 inferred"]),
        (
            "acme.io/v1",
            "Thing",
            "{worker: e.io/w:1, args: [--side-image=e/s:1], env: [{name: RUNNER_IMAGE, value: e/r:1}], config: {JOB_IMAGE: e/j:1}}",
            &["docker.io/e/j:1 inferred", "docker.io/e/r:1 inferred", "docker.io/e/s:1 inferred", "e.io/w:1 inferred"],
        ),
        (
            "argoproj.io/v1alpha1",
            "Workflow",
            "{templateDefaults: {script: {image: python}, sidecars: [{name: s, image: redis}]}}",
            &["docker.io/library/python:latest inferred", "docker.io/library/redis:latest inferred"],
        ),
        (
            "argoproj.io/v1beta1",
            "ArgoCD",
            "{image: e.io/argocd, version: v2, redis: {image: redis, version: 'sha256:f019439323ae8ffb88771584641072ffb64079a895d8d15ee7ada2da210de2a1'}}",
            &[
                "docker.io/library/redis@sha256:f019439323ae8ffb88771584641072ffb64079a895d8d15ee7ada2da210de2a1 inferred",
                "e.io/argocd:v2 inferred",
            ],
        ),
        ("tekton.dev/v1beta1", "StepAction", "{image: alpine}", &["docker.io/library/alpine:latest certain"]),
        (
            "serving.kserve.io/v1beta1",
            "InferenceService",
            "{predictor: {model: {image: triton}}}",
            &["docker.io/library/triton:latest certain"],
        ),
        ("grafana.integreatly.org/v1beta1", "Grafana", "{version: e.io/grafana:12}", &["e.io/grafana:12 inferred"]),
        ("grafana.integreatly.org/v1beta1", "Grafana", "{version: 12.0.0}", &[]),
        (
            "datadoghq.com/v2alpha1",
            "DatadogAgent",
            "{global: {registry: e.io/dd}, override: {a: {image: {name: agent, tag: '7'}}}}",
            &["e.io/dd/agent:7 inferred"],
        ),
        (
            "datadoghq.com/v2alpha1",
            "DatadogAgent",
            "{override: {a: {image: {name: agent, tag: '7'}}}}",
            &["?/agent:7 unresolved"],
        ),
        // What is made, mirrored, watched or explained.
        ("shipwright.io/v1beta1", "Build", "{output: {image: e.io/out:1}}", &[]),
        ("kargo.akuity.io/v1alpha1", "Stage", "{steps: [{config: {images: [{image: e.io/x}]}}]}", &[]),
        ("argocd-image-updater.argoproj.io/v1alpha1", "ImageUpdater", "{images: [{imageName: e.io/x:1}]}", &[]),
        ("console.openshift.io/v1", "ConsoleYAMLSample", "{yaml: 'image: e.io/x:1'}", &[]),
        ("operators.coreos.com/v1alpha1", "ClusterServiceVersion", "{description: \"a\\nimage: e.io/x:1\\n\"}", &[]),
    ] {
        assert_eq!(of_kind(version, kind, spec), expected, "{kind} {spec}");
    }
}

#[test]
fn what_makes_something_else_deploy_is_told() {
    for (version, kind, spec, name) in [
        ("tekton.dev/v1", "Task", "{steps: [{name: a, ref: {resolver: git}}]}", "git"),
        ("tekton.dev/v1", "Pipeline", "{tasks: [{name: a, pipelineRef: {resolver: hub}}]}", "hub"),
        ("fleet.cattle.io/v1alpha1", "Bundle", "{resources: [{encoding: base64+gz, content: H4s}]}", "base64+gz"),
        ("addons.cluster.x-k8s.io/v1alpha1", "HelmReleaseProxy", "{chartName: redis}", "redis"),
        ("config.projectsveltos.io/v1beta1", "ClusterProfile", "{helmCharts: [{chartName: r/redis}]}", "r/redis"),
        (
            "core.oam.dev/v1beta1",
            "Application",
            "{components: [{type: helm, properties: {url: 'https://c'}}]}",
            "https://c",
        ),
        ("operator.tigera.io/v1", "Installation", "{registry: e.io/}", "x"),
        (
            "policy.karmada.io/v1alpha1",
            "OverridePolicy",
            "{overrideRules: [{overriders: {imageOverrider: [{}]}}]}",
            "x",
        ),
    ] {
        let rows = one(&format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n"));
        assert_eq!(rows, [format!("{name} opaque")], "{kind}");
    }
}

#[test]
fn charts_that_fleet_deploys_and_values_of_which_helm_may_read_more_are_told() {
    let fleet = "helm: {chart: redis, repo: 'https://c.io', version: 1.0.0, values: {image: 'e.io/a:1'}}\n\
                 targetCustomizations: [{helm: {chart: 'oci://e.io/other'}}, {helm: {chart: '', repo: ''}}]\n";
    let rows = of(&[("x/fleet.yaml", fleet)]);
    assert_eq!(short(&rows), ["e.io/a:1 inferred", "redis opaque", "oci://e.io/other opaque"]);
    assert!(rows.iter().any(|row| row.class == "chart" && row.reference == "https://c.io/redis:1.0.0"), "{rows:#?}");
    let values = |text: &str| short(&of(&[("c/Chart.yaml", "name: c\n"), ("c/values.yaml", text)]));
    assert_eq!(values("---\nimage: e.io/a:1\n"), ["e.io/a:1 inferred"]);
    for text in ["image: e.io/a:1\n---\nimage: e.io/b:1\n", "---\n---\nimage: e.io/b:1\n"] {
        assert!(values(text).contains(&"c/values.yaml opaque".to_owned()), "{text}");
    }
}

#[test]
fn parts_of_an_image_in_values_may_stand_in_other_places() {
    let digest = "sha256:f019439323ae8ffb88771584641072ffb64079a895d8d15ee7ada2da210de2a1";
    let values = |image: &str| {
        one(&format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nspec: {{values: {{a: {{image: {{{image}}}}}}}}}\n"
        ))
    };
    for (image, expected) in [
        ("registry: e.io/x/a, tag: x".to_owned(), "e.io/x/a:x inferred".to_owned()),
        ("registry: e.io, tag: x".to_owned(), "e.io/?:x unresolved".to_owned()),
        (
            format!("repository: e.io/a, tag: \"1@{digest}\", digest: \"{digest}\""),
            format!("e.io/a:1@{digest} inferred"),
        ),
        ("repository: e.io/a, tag: on".to_owned(), "e.io/a:true inferred".to_owned()),
        ("repository: e.io/a, tag: \"on\"".to_owned(), "e.io/a:on inferred".to_owned()),
    ] {
        assert_eq!(values(&image), [expected], "{image}");
    }
}

#[test]
fn many_images_of_one_mapping_are_looked_up_in_a_moment() {
    let keys = |count: usize| (0..count).map(|at| format!("  k{at}Image: e/x\n")).collect::<String>();
    let begun = std::time::Instant::now();
    let resource = format!("apiVersion: a.io/v1\nkind: X\nmetadata: {{name: x}}\nspec:\n{}", keys(10_000));
    let values = format!("a:\n{}", keys(10_000));
    let known: String = (0..10_000).map(|at| format!("  k{at}: {{image: e.io/a:{at}}}\n")).collect();
    let known = format!("apiVersion: kafka.strimzi.io/v1\nkind: Kafka\nmetadata: {{name: x}}\nspec:\n{known}");
    let open = format!(
        "apiVersion: a.io/v1\nkind: X\nmetadata: {{name: x}}\nspec: {{image: 'e/{}'}}\n",
        "{{}}".repeat(100_000)
    );
    let rows = of(&[
        ("a.yaml", &resource),
        ("b.yaml", &known),
        ("c.yaml", &open),
        ("c/Chart.yaml", "name: c\n"),
        ("c/values.yaml", &values),
    ]);
    assert_eq!(rows.len(), 30_000);
    assert!(begun.elapsed().as_secs() < 15, "{:?}", begun.elapsed());
}
