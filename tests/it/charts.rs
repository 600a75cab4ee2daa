//! Charts in the tree that would hide what they deploy, by the real binary: what helm 4.1.4 renders of each is there, or a row
//! says that nobody knows.

use crate::images::{Row, of, short};

const CHART: (&str, &str) = ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n");
const GOOD: &str = "e.io/good:1 inferred";

// All rows, those with what nobody looks into as well.
fn full(rows: &[Row]) -> Vec<String> {
    let row = |row: &Row| format!("{} {} {} {}", row.class, row.reference, row.confidence, row.places.join(","));
    rows.iter().map(row).collect()
}

// What a chart with these templates and values deploys.
fn chart(templates: &[&str], values: &str) -> Vec<String> {
    let names: Vec<String> = (0..templates.len()).map(|at| format!("templates/{at}.yaml")).collect();
    let mut files = vec![CHART, ("values.yaml", values)];
    files.extend(names.iter().zip(templates).map(|(name, text)| (name.as_str(), *text)));
    full(&of(&files))
}

fn has(rows: &[String], expected: &str) {
    assert!(rows.iter().any(|row| row.contains(expected)), "{expected} is not there: {rows:#?}");
}

// A template with this line among its containers.
fn pod(line: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: c\n    {line}\n")
}

#[test]
fn a_literal_image_of_a_template_is_found_however_it_is_written() {
    for line in [
        "image:\te.io/bad:1",
        "image:\n      e.io/bad:1",
        "image: \"e.io\\x2fbad:1\"",
        "\"im\\x61ge\": e.io/bad:1",
        "im{{/* x */}}age: e.io/bad:1",
        "{{ \"im\" }}age: e.io/bad:1",
        "image: {{- /* x */}} e.io/bad:1",
        "image: !!str e.io/bad:1",
        "? image\n    : e.io/bad:1",
        "image: {{ .Values.none\n | default \"e.io/bad:1\" }}",
        "image: {{ \"e.io/bad:1\" }}\n    # {{ \"{{/*\" }}",
        "image: e.io/bad:1\n# kind: CustomResourceDefinition",
        "image: e.io/bad:1 # policies.kyverno.io/x",
        "{{ \"image: e.io/bad:1\" }}",
        "{{ dict \"image\" \"e.io/bad:1\" | toYaml | nindent 4 }}",
    ] {
        has(&chart(&[&pod(line)], "image: e.io/good:1\n"), "e.io/bad:1 inferred templates/0.yaml:");
    }
    // What nobody follows is told at its line.
    for (line, told) in [
        ("image: *x", "*x unresolved"),
        ("image: \"e.io/\\\n      bad:1\"", "unresolved"),
        ("image: {{ \"cmVkaXM6Nw==\" | b64dec }}", "b64dec }} unresolved"),
        ("image: {{ .Files.Get \"f.txt\" }}", "f.txt\" }} unresolved"),
        ("image: {{ .Values.image | replace \"good\" \"bad\" }}", "\"bad\" }} unresolved"),
        ("image: {{ if .Values.image }}e.io/bad:1{{ end }}", "unresolved"),
        ("image: redis\n      {{- if true }}:7{{ end }}", "unresolved"),
        ("{{ .Files.Get \"f.txt\" | nindent 4 }}", "opaque"),
    ] {
        let rows = chart(&[&pod(line)], "image: e.io/good:1\n");
        let is_told = |row: &String| row.contains(told) && row.contains("templates/0.yaml:");
        assert!(rows.iter().any(is_told), "{line}: {rows:#?}");
    }
    let policy = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nspec: {image: \"e.io/never:1\"}\n";
    assert!(chart(&[policy], "").is_empty());
    let both =
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nkind: Pod\nspec: {containers: [{image: \"e.io/bad:1\"}]}\n";
    has(&chart(&[both], ""), "e.io/bad:1 inferred");
}

#[test]
fn what_a_template_changes_or_is_given_is_not_taken_for_the_values() {
    let good = pod("image: {{ .Values.image }}");
    let values = "image: e.io/good:1\nq: {Values: {image: \"e.io/bad:1\"}}\nother: {image: redis}\n";
    for (template, told) in [
        (format!("{{{{- $_ := set .Values \"image\" .Values.other.image }}}}\n{good}"), "opaque"),
        (format!("{{{{- $_ := set $ \"Values\" .Values.other }}}}\n{good}"), "opaque"),
        (format!("{{{{- $v := .Values }}}}{{{{ $_ := set $v \"image\" .Values.other.image }}}}\n{good}"), "opaque"),
        (format!("{{{{- $_ := mergeOverwrite .Values (.Files.Get \"v\" | fromYaml) }}}}\n{good}"), "opaque"),
        (format!("{{{{- with .Values.q }}}}\n{good}{{{{ end }}}}"), "{{ .Values.image }} unresolved"),
    ] {
        has(&chart(&[&template], values), told);
    }
    let helper = "{{ define \"i\" }}{{ .Values.image }}{{ end }}\n";
    for given in ["(dict \"Values\" (dict \"image\" \"e.io/bad:1\"))", "(dict \"Values\" .Values.other)"] {
        let line = pod(&format!("image: {{{{ include \"i\" {given} }}}}"));
        has(&chart(&[helper, &line], values), "unresolved");
    }
    // What charts do every day is known.
    let line = pod("image: {{ include \"i\" . }}");
    assert_eq!(chart(&[helper, &line], "image: e.io/good:1\n"), ["image e.io/good:1 inferred values.yaml:1"]);
    let quoted = format!("{{{{ fail \"use `set .Values image` instead\" }}}}\n{good}");
    assert!(!chart(&[&quoted], "image: e.io/good:1\n").iter().any(|row| row.contains("fail")));
    let wide = "{{ define \"i\" }}{{ .root.repository }}:{{ .root.tag | default \"latest\" }}{{ end }}\n";
    let line = pod("image: {{ include \"i\" (dict \"root\" .Values.web.image \"context\" $) }}");
    // The value accounts for it, and that it may come to something else is told of the chart.
    let rows = chart(&[wide, &line], "web: {image: {repository: e.io/web, tag: \"1\"}}\n");
    assert_eq!(rows, ["image . opaque templates/1.yaml:6", "image e.io/web:1 inferred values.yaml:1"]);
}

#[test]
fn a_chart_whose_templates_do_more_than_is_followed_is_told() {
    let values = "image: e.io/good:1\ntext: x\nmore: {a: {b: c}}\n";
    let good = pod("image: {{ .Values.image }}");
    assert_eq!(chart(&[&good], values), ["image e.io/good:1 inferred values.yaml:1"]);
    // What charts do every day is followed.
    let day = "{{- define \"n\" -}}{{ printf \"%s-%s\" .Release.Name .Chart.Name | trunc 63 | trimSuffix \"-\" }}{{- end }}\n";
    let all = "{{- if and .Values.more (eq .Values.text \"x\") }}\n{{- range $k, $v := .Values.more }}\n---\nkind: Service\nmetadata:\n  name: {{ include \"n\" $ }}\n  annotations:\n    {{- toYaml $v | nindent 4 }}\n{{- end }}\n{{- end }}\n";
    assert_eq!(chart(&[day, all, &good], values), ["image e.io/good:1 inferred values.yaml:1"]);
    for line in [
        "{{ tpl .Values.text . }}",
        "{{ index .Values.more .Values.text }}",
        "{{ .Values.text | b64dec | nindent 4 }}",
        "{{- range $f, $_ := .Files.Glob \"x/*\" }}{{ $f }}{{ end }}",
        "{{- print \"\\n---\\nkind: Pod\" }}",
        "{{- include \"c/templates/_pod.tpl\" . }}",
        "{{ printf \"image: %s\" .Values.text }}",
        "{{- $x := \"a\" }}{{ if .Values.text }}{{ $x = \"b\" }}{{ end }}",
        "{{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}",
        "{{- $f := $.Files }}{{ $f.Get \"x\" }}",
        "{{ toYaml .Values.more | replace \"b\" \"image\" | nindent 4 }}",
        "{{ printf \"%s: %s\" .Values.text .Values.text }}",
        "{{ toYaml (dict .Values.text .Values.text) | nindent 4 }}",
    ] {
        let other = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata:\n  a: |\n    {line}\n");
        has(&chart(&[&good, &other], values), "image . opaque templates/1.yaml:6");
    }
    let imports = "apiVersion: v2\nname: c\ndependencies:\n- {name: s, import-values: [data]}\n";
    has(&full(&of(&[("Chart.yaml", imports), ("templates/a.yaml", &good)])), "image . opaque Chart.yaml:4");
    let library = [CHART, ("charts/l/Chart.yaml", "name: l\ntype: library\n"), ("templates/a.yaml", &good)];
    has(&full(&of(&library)), "image . opaque charts/l/Chart.yaml:1");
    // Nobody writes an action of that length.
    let long = format!("{{{{ if {} }}}}{{{{ end }}}}\n", "(eq 1 1) ".repeat(2000));
    has(&chart(&[&long], values), "templates/0.yaml unreadable templates/0.yaml:1");
}

#[test]
fn a_line_that_comes_to_no_image_and_values_that_nobody_can_read_are_told() {
    let line = pod("image: {{ .Values.image }}");
    for image in ["\"${IMG}\"", "\"{{image}}\"", "A/B", "1.5e+06"] {
        has(&chart(&[&line], &format!("image: {image}\n")), "unresolved values.yaml:1");
    }
    let broken = "image: e.io/a:1\nb: [1\n";
    has(&chart(&[&line], broken), "image values.yaml unreadable values.yaml:");
    let files = [("Chart.yaml", "name: c\nappVersion: [1\n"), ("templates/a.yaml", &*line)];
    has(&full(&of(&files)), "image Chart.yaml unreadable Chart.yaml:");
    // Tags that YAML takes for something else.
    let line = pod("image: e.io/a:{{ .Values.tag }}");
    for (tag, shown) in
        [("yes", "e.io/a:true inferred"), ("off", "e.io/a:false inferred"), ("\"yes\"", "e.io/a:yes inferred")]
    {
        has(&chart(&[&line], &format!("tag: {tag}\n")), shown);
    }
    // A call goes on on the next line.
    let helper = "{{- define \"p\" }}\n- image: {{ .Values.image }}\n{{- end }}\n";
    let rows = chart(
        &[helper, "kind: Pod\nspec:\n  containers: {{- include\n    \"p\" . | nindent 2 }}\n"],
        "image: e.io/a:1\n",
    );
    assert_eq!(rows, ["image e.io/a:1 inferred values.yaml:1"]);
    // A line takes a tag from the values of another image, or one of several on a line.
    let tag = pod("image: e.io/base:{{ .Values.cr.image.tag }}");
    let rows = chart(&[&tag], "cr: {image: {repository: e.io/app, tag: \"1\"}}\n");
    has(&rows, "e.io/app:1 inferred");
    has(&rows, "e.io/base:1 inferred");
    // One whose name begins like that of another is not the other.
    let longer = pod("image: e.io/app-more:{{ .Values.cr.image.tag }}");
    let rows = chart(&[&longer], "cr: {image: {repository: e.io/app, tag: \"1\"}}\n");
    has(&rows, "e.io/app:1 inferred");
    has(&rows, "e.io/app-more:1 inferred");
}

#[test]
fn files_of_values_that_nobody_can_read_are_told_wherever_they_stand() {
    let line = pod("image: {{ .Values.image }}");
    let broken = "image: e.io/a:1\nb: [1\n";
    let argo = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {source: {repoURL: \"https://e.io/r\", path: chart, helm: {valueFiles: [../envs/prod.yaml]}}}\n";
    let flux = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: r}\nspec: {chart: {spec: {chart: ./chart, valuesFiles: [envs/prod.yaml], sourceRef: {kind: GitRepository, name: g}}}}\n";
    let remote = argo.replace("path: chart", "chart: web").replace("../envs", "$values/envs");
    for order in [argo, flux, remote.as_str()] {
        let files = [
            ("apps/o.yaml", order),
            ("chart/Chart.yaml", "name: c\n"),
            ("chart/templates/d.yaml", &line),
            ("envs/prod.yaml", broken),
        ];
        has(&full(&of(&files)), "image envs/prod.yaml unreadable envs/prod.yaml:");
    }
}

#[test]
fn bare_names_options_and_keys_of_expressions_are_seen_and_checks_are_not() {
    let map = "kind: Pod\nspec:\n  containers:\n  {{- range $n, $c := .Values.containers }}\n  - name: {{ $n }}\n    {{- toYaml $c | nindent 4 }}\n  {{- end }}\n";
    has(&chart(&[map], "containers: {web: {image: nginx}}\n"), "docker.io/library/nginx:latest inferred values.yaml:1");
    let option = pod("args: [\"--x\"]\n    command:\n    - --sidecar-image={{ .Values.repo }}:{{ .Values.tag }}");
    has(&chart(&[&option], "repo: e.io/side\ntag: v1\n"), "e.io/side:v1 inferred");
    let key = pod("{{- range $k, $v := .Values.fields }}\n    {{ $k }}: {{ $v }}\n    {{- end }}");
    has(&chart(&[&key], "fields: {image: nginx}\n"), "{{ $v }} unresolved");
    let operator = "apiVersion: operators.coreos.com/v1alpha1\nkind: Subscription\nmetadata: {name: \"{{ .Release.Name }}\"}\nspec:\n  name: x\n";
    has(&chart(&[operator], ""), "image templates/0.yaml opaque templates/0.yaml:2");
    // Literals as plain manifests have them, and texts of values that may be parts of an object.
    let variable = pod(
        "image: e.io/a:1\n    env:\n    - name: SIDE_IMAGE\n      value: side/car:1\n    - name: FROM_IMAGE\n      valueFrom: {}\n    - name: OTHER\n      value: o/ther:1\n    x: {{ .Values.x }}",
    );
    let rows = chart(&[&variable], "x: 1\n");
    has(&rows, "docker.io/side/car:1 inferred templates/0.yaml:9");
    assert!(!rows.iter().any(|row| row.contains("o/ther")), "{rows:#?}");
    let whole = "kind: Pod\nspec:\n  containers:\n  {{- .Values.text | nindent 2 }}\n";
    has(&chart(&[whole], "text: |\n  - name: a\n    image: busybox\n"), "opaque templates/0.yaml:4");
    // What ends everything deploys nothing, and a sentence is no image.
    let check = "{{- if .Values.bad }}\n{{ fail \"e.io/bad:1 is no image\" }}\n{{- end }}\n";
    let words =
        "{{ define \"w\" }}\nCONFLICT: {{ .Values.bad.image }} needs {{ .Values.bad.image }} beside it\n{{ end }}\n";
    let rows = chart(&[check, words, &pod("x: {{ include \"w\" . | quote }}")], "bad: {image: x}\n");
    assert!(rows.iter().all(|row| !row.contains("bad") && !row.contains("needs")), "{rows:#?}");
    // A label with the version is no tag.
    let label = "kind: Pod\nmetadata: {labels: {version: \"{{ .Chart.AppVersion }}\"}}\nspec: {containers: [{image: \"{{ get .Values.image \"repository\" }}:{{ .Values.ver }}\"}]}\n";
    let files = [
        ("Chart.yaml", "name: c\nappVersion: \"9\"\n"),
        ("values.yaml", "image: {repository: e.io/a}\nver: \"1\"\n"),
        ("templates/a.yaml", label),
    ];
    let rows = full(&of(&files));
    assert!(!rows.iter().any(|row| row.contains("e.io/a:9")), "{rows:#?}");
    has(&rows, "unresolved");
}

#[test]
fn parts_are_deployed_as_helm_decides_and_have_the_globals_of_both() {
    let parts = |condition: &str, values: &str| {
        let own = format!("name: c\ndependencies:\n- {{name: web, condition: \"{condition}\"}}\n");
        let line = pod("image: {{ .Values.global.registry }}/web:1");
        let files = [
            ("Chart.yaml", own.as_str()),
            ("values.yaml", values),
            ("charts/web/Chart.yaml", "name: web\n"),
            ("charts/web/values.yaml", "global: {registry: e.io}\n"),
            ("charts/web/templates/d.yaml", line.as_str()),
        ];
        full(&of(&files))
    };
    assert_eq!(parts("web.enabled", "web: {enabled: no}\n"), [""; 0]);
    // The first path that is true or false decides, and what YAML 1.1 takes for a truth is no key.
    has(&parts("web.enabled,global.enabled", "web: {enabled: yes}\nglobal: {enabled: false}\n"), "e.io/web:1 inferred");
    has(&parts("web.on", "web: {on: false}\n"), "e.io/web:1 inferred");
    has(&parts("", "global: {a: b}\nweb: {global: {registry: f.io}}\n"), "f.io/web:1 inferred");
}

#[test]
fn an_application_gives_its_values_to_a_chart_within_another_one() {
    let order = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {source: {repoURL: \"https://e.io/r\", path: charts/web, helm: {parameters: [{name: tag, value: v9}]}}}\n";
    let line = pod("image: e.io/web:{{ .Values.tag }}");
    let files = [
        CHART,
        ("apps/a.yaml", order),
        ("charts/web/Chart.yaml", "name: web\n"),
        ("charts/web/values.yaml", "tag: v1\n"),
        ("charts/web/templates/d.yaml", line.as_str()),
    ];
    has(&full(&of(&files)), "e.io/web:v9 inferred");
}

#[test]
fn only_what_every_template_asks_for_is_switched_off() {
    let values =
        "web: {enabled: false, image: \"e.io/web:1\", spec: {containers: [{name: a, image: \"e.io/bad:1\"}]}}\n";
    let line = pod("image: {{ .Values.web.image }}");
    let asked = |condition: &str| format!("{{{{- if {condition} }}}}\n{line}{{{{- end }}}}\n");
    let web = "e.io/web:1 inferred";
    for condition in [".Values.web.enabled", "and .Values.web.enabled .Values.x", "(.Values.web.enabled)"] {
        assert!(chart(&[&asked(condition)], values).is_empty(), "{condition}");
    }
    for condition in ["not .Values.web.enabled", "or .Values.web.enabled .Values.x", "$.Values.web"] {
        has(&chart(&[&asked(condition)], values), web);
    }
    has(&chart(&[&asked(".Values.web.enabled"), &line], values), web);
    has(&chart(&[&format!("{{{{- if .Values.web.enabled }}}}{{{{ else }}}}\n{line}{{{{ end }}}}")], values), web);
    has(&chart(&["spec: {{ toYaml .Values.web.spec | nindent 2 }}\n"], values), "e.io/bad:1 inferred");
    has(&chart(&["spec: {{ toYaml (index .Values \"web\" \"spec\") | nindent 2 }}\n"], values), "e.io/bad:1 inferred");
    // A helper is reached as those are that call it.
    let helper = "{{ define \"web\" }}{{ .Values.web.image }}{{ end }}\n";
    let called = line.replace("{{ .Values.web.image }}", "{{ include \"web\" . }}");
    let off = called.replace("apiVersion", "{{- if .Values.web.enabled }}\napiVersion") + "{{- end }}\n";
    assert!(chart(&[helper, &off], values).is_empty());
    has(&chart(&[helper, &off, &called], values), web);
    let item = "list: [{enabled: false, image: \"e.io/item:1\"}]\n";
    has(&chart(&["{{ range .Values.list }}\nimage: {{ .image }}\n{{ end }}\n"], item), "e.io/item:1 inferred");
}

#[test]
fn parts_of_a_chart_are_those_that_helm_takes() {
    let image = ("templates/x.yaml", "image: {{ .Values.image }}\n");
    let inner = "image: {{ .Values.img }}\n";
    let with = |chart: &str, values: &str, more: &[(&str, &str)]| {
        let mut files = vec![("Chart.yaml", chart), ("values.yaml", values), image];
        files.extend(more);
        short(&of(&files))
    };
    let sub = [
        ("charts/sub/Chart.yaml", "name: sub\nversion: 1.0.0\n"),
        ("charts/sub/values.yaml", "img: e.io/bad:1\nd: {i: \"redis:5\"}\n"),
        ("charts/sub/templates/d.yaml", inner),
    ];
    let off = "image: e.io/good:1\nsub: {enabled: false}\n";
    let on_condition =
        |condition: &str| format!("name: c\ndependencies: [{{name: sub, version: 1.0.0, condition: {condition}}}]\n");
    for (condition, is_there) in [
        ("nope.enabled", true),
        ("sub.enabled", false),
        ("\"nope.enabled,sub.enabled\"", false),
        ("\"nope.enabled, sub.enabled\"", true),
        ("sub.img", true),
    ] {
        let rows = with(&on_condition(condition), off, &sub);
        assert_eq!(rows.iter().any(|row| row == "e.io/bad:1 inferred"), is_there, "{condition} {rows:#?}");
    }
    let imports = "name: c\ndependencies: [{name: sub, version: 1.0.0, import-values: [{child: d, parent: e}]}]\n";
    let line = ("templates/y.yaml", "image: {{ .Values.e.i }}\n");
    let rows = with(imports, off, &[sub[0], sub[1], line]);
    assert!(rows.contains(&"docker.io/library/redis:5 inferred".to_owned()), "{rows:#?}");
    // The values of a part are by its name, whatever its folder is called.
    let odd = [
        ("charts/x/Chart.yaml", "name: foo\n"),
        ("charts/x/values.yaml", "img: e.io/good:1\n"),
        ("charts/x/templates/d.yaml", inner),
    ];
    let rows = with("name: c\n", "image: e.io/good:1\nfoo: {img: \"redis:7\"}\n", &odd);
    assert!(rows.contains(&"docker.io/library/redis:7 inferred".to_owned()), "{rows:#?}");
    // What stands with the definitions is applied as well.
    let rows = with("name: c\n", "image: e.io/good:1\n", &[("crds/d.yaml", crate::images::POD)]);
    assert_eq!(rows, ["e.io/a:1 inferred", "e.io/b:1 inferred", GOOD]);
    // A text of one line may be a part of an object where a template writes it so.
    let text = [("templates/y.yaml", "spec:\n  {{ .Values.extra | nindent 2 }}\n")];
    let rows = with("name: c\n", "image: e.io/good:1\nextra: \"initContainers: [{image: redis:7}]\"\n", &text);
    assert!(rows.contains(&"docker.io/library/redis:7 inferred".to_owned()), "{rows:#?}");
    let envoy = [("templates/y.yaml", "kind: EnvoyProxy\nspec: {container: {imageRepository: e.io/envoy}}\n")];
    let rows = with("name: c\n", "image: e.io/good:1\n", &envoy);
    assert!(rows.contains(&"e.io/envoy:? unresolved".to_owned()), "{rows:#?}");
}

#[test]
fn a_chart_that_another_one_brings_along_is_no_root() {
    let base = [
        ("charts/base/Chart.yaml", "name: base\n"),
        ("charts/base/values.yaml", "image: e.io/default:1\n"),
        ("charts/base/templates/d.yaml", "image: {{ .Values.image }}\n"),
    ];
    let over = [
        (
            "apps/a/Chart.yaml",
            "name: a\ndependencies: [{name: base, version: 1.0.0, repository: \"file://../../charts/base\"}]\n",
        ),
        ("apps/a/values.yaml", "base: {image: \"e.io/own:1\"}\n"),
    ];
    assert_eq!(short(&of(&[base.as_slice(), &over].concat())), ["e.io/own:1 inferred"]);
    // Those that only bring along each other are roots.
    let circle = "name: base\ndependencies: [{name: base, repository: \"file://../base\"}]\n";
    let rows = short(&of(&[("charts/base/Chart.yaml", circle), base[1], base[2]]));
    assert!(rows.contains(&"e.io/default:1 inferred".to_owned()), "{rows:#?}");
    // A folder of which all files are applied is looked at besides.
    let all =
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {source: {path: apps}}\n";
    let rows = short(&of(&[base.as_slice(), &over, &[("argo.yaml", all)]].concat()));
    assert!(rows.contains(&"e.io/own:1 inferred".to_owned()), "{rows:#?}");
}

#[test]
fn texts_of_values_that_are_no_yaml_are_told() {
    let set = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n      source:\n        \
               repoURL: https://c.io\n        chart: c\n        targetRevision: 1.0.0\n        helm:\n          values: |\n            \
               name: {{ .x }}\n            image:\n              repository: e.io/c\n              tag: \"1\"\n";
    let rows = full(&of(&[("a.yaml", set)]));
    has(&rows, "image values unreadable a.yaml:13");
    has(&rows, "image e.io/c:1 inferred a.yaml:15,a.yaml:16");
    let k3s = "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nspec:\n  chart: c\n  valuesContent: |\n    a: {{ x }}\n    image: e.io/k:1\n";
    let rows = full(&of(&[("a.yaml", k3s)]));
    has(&rows, "image values unreadable a.yaml:6");
    has(&rows, "image e.io/k:1 inferred a.yaml:7");
    let map = "apiVersion: v1\nkind: ConfigMap\ndata:\n  values.yaml: |\n    a: {{ x }}\n    image: e.io/m:1\n";
    let rows = full(&of(&[("a.yaml", map)]));
    has(&rows, "image values unreadable a.yaml:5");
    has(&rows, "image e.io/m:1 inferred a.yaml:6");
    // A template of a chart that is not here, which says nothing of images.
    let silent = "{{- if .Values.x }}\napiVersion: v1\nkind: Secret\n{{- end }}\n";
    assert!(of(&[("a/templates/s.yaml", silent)]).is_empty());
    has(&full(&of(&[("a/s.yaml", silent)])), "a/s.yaml unreadable");
}

#[test]
fn parts_of_images_in_values_are_put_together_as_charts_do() {
    let values = |values: &str| {
        let release =
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: r}\nspec:\n  values:\n";
        short(&of(&[("r.yaml", &format!("{release}    {values}\n"))]))
    };
    let name = "image: {name: kafka-bridge, tag: \"1\", registry: \"\", repository: \"\"}";
    assert_eq!(values(name), ["?/kafka-bridge:1 unresolved"]);
    let host = "elk: {image: {repository: ghcr.io, image: elk-zone/elk, tag: main}}";
    assert_eq!(values(host), ["ghcr.io/elk-zone/elk:main inferred"]);
    let open = "image: {registry: quay.io, repository: strimzi, name: operator}";
    assert_eq!(values(open), ["quay.io/strimzi/operator:? unresolved"]);
    let choice = "a: {defaultNodeSelector: [\"kubernetes.io/os:linux\"], myTolerations: {image: \"e.io/no:1\"}}";
    assert!(values(choice).is_empty());
}

#[test]
fn what_names_no_image_in_programs_and_what_does_in_variables() {
    let map = "apiVersion: v1\nkind: ConfigMap\ndata:\n  image_to_x.py: |\n    # any tool/text chain\n    x = 1\n  DRIVER_REGISTRAR_IMAGE: e.io/registrar:1\n  IMAGE_REGISTRIES: e.io/team\n";
    assert_eq!(short(&of(&[("a.yaml", map)])), ["e.io/registrar:1 inferred"]);
    let env = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: e.io/a:1\n    env:\n    \
               - {name: LABELS, value: \"ubuntu-latest:docker://e.io/act:latest,old:docker://e.io/old:1\"}\n";
    assert_eq!(short(&of(&[("a.yaml", env)])), ["e.io/a:1 certain", "e.io/act:latest inferred", "e.io/old:1 inferred"]);
    let custom = |image: &str| format!("apiVersion: x.io/v1\nkind: X\nspec: {{image: {{{image}}}}}\n");
    for key in ["fullName", "ref", "reference"] {
        let object = custom(&format!("{key}: \"e.io/{key}:1\"").to_lowercase().replace(&key.to_lowercase(), key));
        let object = object.replace(&format!("e.io/{key}"), "e.io/x");
        assert_eq!(short(&of(&[("a.yaml", &object)])), ["e.io/x:1 inferred"]);
    }
}

#[test]
fn what_a_template_makes_that_deploys_more_is_followed_where_it_stands_as_it_is() {
    let argo =
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: NAME}\nspec: {source: {SOURCE}}\n";
    let app = |name: &str, source: &str| argo.replace("NAME", name).replace("SOURCE", source);
    let far = app("far", "repoURL: \"https://e.io/charts\", chart: far, targetRevision: 1.0.0");
    let near = app("near", "repoURL: \"https://e.io/r\", path: near");
    let filled =
        app("\"{{ .Values.name }}\"", "repoURL: \"https://e.io/charts\", chart: filled, targetRevision: 2.0.0");
    let rows = of(&[
        ("c/Chart.yaml", "{apiVersion: v2, name: c, version: 1.0.0}\n"),
        ("c/templates/far.yaml", &far),
        ("c/templates/near.yaml", &near),
        ("c/templates/filled.yaml", &filled),
        ("near/p.yaml", crate::images::POD),
    ]);
    let found: Vec<String> = rows.iter().map(|row| format!("{} {}", row.reference, row.confidence)).collect();
    for row in ["https://e.io/charts/far:1.0.0 certain", "https://e.io/charts/filled:2.0.0 certain", "e.io/a:1 certain"]
    {
        assert!(found.iter().any(|own| own == row), "{row}: {found:#?}");
    }
    // What is filled in may be more than what stands there.
    let told: Vec<&String> = found.iter().filter(|row| row.as_str() == "Application opaque").collect();
    assert_eq!(told.len(), 1, "{found:#?}");
}

#[test]
fn what_a_template_says_aside_of_containers_and_values_is_there_or_told() {
    let spec = |lines: &str| format!("apiVersion: v1\nkind: Pod\nspec:\n{lines}");
    let made = |group: &str, kind: &str, lines: &str| format!("apiVersion: {group}\nkind: {kind}\n{lines}");
    let policy = |lines: &str| made("kyverno.io/v1", "ClusterPolicy", &format!("spec: {{}}\n{lines}"));
    let flux = "kustomize.toolkit.fluxcd.io/v1";
    let m = "m: {web: {image: \"e.io/good:1\"}, x: e.io/b, w: \"ad:1\", t: \"{{ print .Values.m.x .Values.m.w }}\"}\n";
    let name = "docker.io/library/redis:latest inferred";
    for (template, values, told) in [
        (spec("  volumes:\n  - name: v\n    image: {pullPolicy: Always, reference: redis}\n"), "", name),
        (spec("  volumes:\n  - {name: v, image: {reference: redis}}\n"), "", name),
        (
            spec("  volumes:\n  - image:\n      reference: {{ .Values.m.x }}{{ .Values.m.w }}\n"),
            m,
            "e.io/bad:1 inferred values.yaml:1",
        ),
        (spec("  volumes: {{ toYaml .Values.v | nindent 4 }}\n"), "v: [{name: v, image: {reference: redis}}]\n", name),
        (spec("  initContainers: {{ toYaml .Values.v | nindent 2 }}\n"), "v: [{name: v, image: redis}]\n", name),
        (spec("  {{ toYaml .Values.v | nindent 2 }}\n"), "v: {containers: [{name: v, image: redis}]}\n", name),
        (
            made("tekton.dev/v1", "TaskRun", "spec:\n  taskRef: {bundle: {{ .Values.m.x }}{{ .Values.m.w }} }\n"),
            m,
            "e.io/bad:1 inferred",
        ),
        (
            made("pkg.crossplane.io/v1", "Provider", "spec:\n  package:\n    e.io/bad:1\n"),
            "",
            "e.io/bad:1 inferred templates/0.yaml:5",
        ),
        (pod("image: e.io/good:{{ .Values.t | default \"bad\" }}"), "t: 0\n", "e.io/good:bad inferred"),
        (pod("image: e.io/good:{{ .Values.t | default \"bad\" }}"), "t: 0\n", "e.io/good:0 inferred"),
        (pod("image: {{ .Values.t | default \"e.io/bad:1\" }}"), "t: off\n", "e.io/bad:1 inferred"),
        (pod("image: {{ default \"e.io/bad:1\" .Values.t }}"), "t: false\n", "e.io/bad:1 inferred"),
        (pod("image: {{ .Values.on | default \"e.io/bad:1\" }}"), "on: e.io/good:1\n", "e.io/bad:1 inferred"),
        (pod("image: {{ .Values.on | default \"e.io/bad:1\" }}"), "on: e.io/good:1\n", GOOD),
        (pod("image: {{ .Values.true }}"), "on: e.io/bad:1\ntrue: e.io/good:1\n", "e.io/bad:1 inferred"),
        (pod("image: !!str\n      e.io/bad:1"), "", "e.io/bad:1 inferred"),
        (pod("image: # x\n      e.io/bad:1"), "", "e.io/bad:1 inferred"),
        (pod("image: &a !!str # x\n      e.io/bad:1"), "", "e.io/bad:1 inferred"),
        (pod("image: {{ printf \"%s%s\" (index .Values.m \"x\") (index .Values.m \"w\") }}"), m, "unresolved"),
        (pod("image: {{ tpl (index .Values.m \"t\") . }}"), m, "unresolved"),
        (made(flux, "{{ \"Kustomization\" }}", "spec: {path: ./x}\n"), "", "Kustomization opaque templates/0.yaml:2"),
        (made(flux, "{{ .Values.k }}", "spec: {path: ./x}\n"), "", "an object that may deploy more opaque"),
        (
            format!("apiVersion: {flux}\n\"kind\": Kustomization\nspec: {{path: {{{{ .Values.p }}}}}}\n"),
            "",
            "Kustomization opaque templates/0.yaml:2",
        ),
        (policy("{{ printf \"---\\nkind: Pod\\n%s: %s\" \"image\" .Values.m.x }}\n"), m, "opaque templates/0.yaml:4"),
        (policy("{{ tpl .Values.m.t . }}\n"), m, "opaque templates/0.yaml:4"),
        ("{{ tpl .Values.m.t . | indent 0 }}\n".to_owned(), m, "opaque templates/0.yaml:1"),
    ] {
        let rows = chart(&[&template], values);
        assert!(rows.iter().any(|row| row.contains(told)), "{template}{values}: {rows:#?}");
    }
    // What charts do every day makes no rows of it.
    let usual = [
        made("apps/v1", "{{ .Values.kind }}", "spec: {}\n"),
        policy("{{- if .Values.x }}\n{{- fail \"no\" }}\n{{- end }}\n"),
        made("v1", "Service", "spec: {url: {{ .Values.url }}, package: {{ .Values.p }}}\n"),
    ];
    let usual: Vec<&str> = usual.iter().map(String::as_str).collect();
    assert!(chart(&usual, "url: https://e.io/x\n").is_empty());
}

#[test]
fn a_chart_that_leaves_out_its_values_or_parts_is_told() {
    let rows = |ignored: &str| {
        let template = pod("image: {{ .Values.image | default \"e.io/bad:1\" }}");
        let files = [
            CHART,
            ("values.yaml", "image: e.io/good:1\n"),
            ("templates/x.yaml", &template),
            ("charts/sub/Chart.yaml", "name: sub\n"),
            ("charts/sub/values.yaml", "a: b\n"),
            (".helmignore", ignored),
        ];
        full(&of(&files))
    };
    for (ignored, line) in [
        ("values.yaml\n", 1),
        ("# x\n*.yaml\n", 2),
        ("/values.y?ml\n", 1),
        ("va[l]ues.yaml\n", 1),
        ("templates/\n", 1),
        ("charts\n", 1),
        ("charts/*/values.yaml\n", 1),
        (".git/\n!x\n", 2),
    ] {
        has(&rows(ignored), &format!("opaque .helmignore:{line}"));
    }
    let usual = "# Patterns\n.DS_Store\n.git/\n.gitignore\n*.swp\n*.bak\n*.tmp\n*~\n.project\n.idea/\n*.tmproj\nOWNERS\nci/\n*.md\nvalues.yaml/\n";
    assert!(!rows(usual).iter().any(|row| row.contains("opaque")));
}
