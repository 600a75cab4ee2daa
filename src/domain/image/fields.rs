//! The fields in which known custom resources name images and pod templates.

use super::node::{Node, Trust};
use super::pod;
use super::sink::Sink;
use super::{Class, Confidence};

/// Group, kind (empty: every kind), path. `[]` is every item of a list, `*` every entry of a mapping; a path that ends with
/// `!` leads to a pod spec.
const FIELDS: &[(&str, &str, &str)] = &[
    ("postgresql.cnpg.io", "Cluster", "spec.imageName"),
    ("postgresql.cnpg.io", "ImageCatalog", "spec.images.[].image"),
    ("postgresql.cnpg.io", "ClusterImageCatalog", "spec.images.[].image"),
    ("postgresql.cnpg.io", "Pooler", "spec.template.spec!"),
    ("monitoring.coreos.com", "Prometheus", "spec.image"),
    ("monitoring.coreos.com", "Prometheus", "spec.thanos.image"),
    ("monitoring.coreos.com", "PrometheusAgent", "spec.image"),
    ("monitoring.coreos.com", "Alertmanager", "spec.image"),
    ("monitoring.coreos.com", "ThanosRuler", "spec.image"),
    ("monitoring.coreos.com", "", "spec!"),
    ("grafana.integreatly.org", "Grafana", "spec.deployment.spec.template.spec!"),
    ("tekton.dev", "", "spec.steps.[].image"),
    ("tekton.dev", "", "spec.sidecars.[].image"),
    ("tekton.dev", "", "spec.stepTemplate.image"),
    ("tekton.dev", "StepAction", "spec.image"),
    ("tekton.dev", "Condition", "spec.check.image"),
    ("tekton.dev", "", "spec.taskRef.bundle"),
    ("tekton.dev", "", "spec.pipelineRef.bundle"),
    ("tekton.dev", "", "spec.tasks.[].taskRef.bundle"),
    ("tekton.dev", "", "spec.finally.[].taskRef.bundle"),
    ("tekton.dev", "", "spec.taskSpec.stepTemplate.image"),
    ("tekton.dev", "", "spec.tasks.[].taskSpec.stepTemplate.image"),
    ("tekton.dev", "", "spec.finally.[].taskSpec.sidecars.[].image"),
    ("tekton.dev", "", "spec.pipelineSpec.tasks.[].taskSpec.sidecars.[].image"),
    ("tekton.dev", "", "spec.pipelineSpec.finally.[].taskSpec.steps.[].image"),
    ("tekton.dev", "", "spec.taskSpec.steps.[].image"),
    ("tekton.dev", "", "spec.taskSpec.sidecars.[].image"),
    ("tekton.dev", "", "spec.tasks.[].taskSpec.steps.[].image"),
    ("tekton.dev", "", "spec.tasks.[].taskSpec.sidecars.[].image"),
    ("tekton.dev", "", "spec.finally.[].taskSpec.steps.[].image"),
    ("tekton.dev", "", "spec.pipelineSpec.tasks.[].taskSpec.steps.[].image"),
    ("argoproj.io", "Rollout", "spec.template.spec!"),
    ("argoproj.io", "EventSource", "spec.template.container.image"),
    ("argoproj.io", "Sensor", "spec.template.container.image"),
    ("argoproj.io", "", "spec.templates.[].container.image"),
    ("argoproj.io", "", "spec.templates.[].script.image"),
    ("argoproj.io", "", "spec.templates.[].sidecars.[].image"),
    ("argoproj.io", "", "spec.templates.[]!"),
    ("argoproj.io", "", "spec.templates.[].containerSet!"),
    ("argoproj.io", "", "spec.templateDefaults.container.image"),
    ("argoproj.io", "", "spec.templates.[].dag.tasks.[].inline.container.image"),
    ("argoproj.io", "CronWorkflow", "spec.workflowSpec.templateDefaults.container.image"),
    ("argoproj.io", "CronWorkflow", "spec.workflowSpec.templates.[].sidecars.[].image"),
    ("argoproj.io", "CronWorkflow", "spec.workflowSpec.templates.[].containerSet!"),
    ("argoproj.io", "CronWorkflow", "spec.workflowSpec.templates.[].container.image"),
    ("argoproj.io", "CronWorkflow", "spec.workflowSpec.templates.[].script.image"),
    ("argoproj.io", "CronWorkflow", "spec.workflowSpec.templates.[]!"),
    ("image.openshift.io", "ImageStream", "spec.dockerImageRepository"),
    ("apps.openshift.io", "DeploymentConfig", "spec.template.spec!"),
    ("serving.kserve.io", "InferenceService", "spec.*.model.image"),
    ("serving.knative.dev", "", "spec.template.spec!"),
    ("serving.knative.dev", "Revision", "spec!"),
    ("sources.knative.dev", "", "spec.template.spec!"),
    ("opentelemetry.io", "OpenTelemetryCollector", "spec.image"),
    ("opentelemetry.io", "Instrumentation", "spec.*.image"),
    ("elasticsearch.k8s.elastic.co", "", "spec.image"),
    ("kibana.k8s.elastic.co", "", "spec.image"),
    ("beat.k8s.elastic.co", "", "spec.image"),
    ("kafka.strimzi.io", "Kafka", "spec.*.image"),
    ("kafka.strimzi.io", "Kafka", "spec.entityOperator.*.image"),
    ("kafka.strimzi.io", "", "spec.image"),
    ("minio.min.io", "Tenant", "spec.image"),
    ("rabbitmq.com", "RabbitmqCluster", "spec.image"),
    ("k8s.mariadb.com", "", "spec.image"),
    ("acid.zalan.do", "postgresql", "spec.dockerImage"),
    ("acid.zalan.do", "OperatorConfiguration", "configuration.docker_image"),
    ("k8s.keycloak.org", "Keycloak", "spec.image"),
    ("ceph.rook.io", "CephCluster", "spec.cephVersion.image"),
    ("databases.spotahome.com", "RedisFailover", "spec.*.image"),
    ("redis.redis.opstreelabs.in", "", "spec.kubernetesConfig.image"),
    ("apps.kruise.io", "", "spec.template.spec!"),
    ("batch.volcano.sh", "Job", "spec.tasks.[].template.spec!"),
    ("ray.io", "", "spec.headGroupSpec.template.spec!"),
    ("ray.io", "", "spec.workerGroupSpecs.[].template.spec!"),
    ("ray.io", "", "spec.rayClusterSpec.headGroupSpec.template.spec!"),
    ("ray.io", "", "spec.rayClusterSpec.workerGroupSpecs.[].template.spec!"),
    ("jobset.x-k8s.io", "JobSet", "spec.replicatedJobs.[].template.spec.template.spec!"),
    ("keda.sh", "ScaledJob", "spec.jobTargetRef.template.spec!"),
    ("sparkoperator.k8s.io", "SparkApplication", "spec.image"),
    ("sparkoperator.k8s.io", "ScheduledSparkApplication", "spec.template.image"),
    ("pkg.crossplane.io", "Provider", "spec.package"),
    ("pkg.crossplane.io", "Function", "spec.package"),
    ("pkg.crossplane.io", "Configuration", "spec.package"),
    ("operators.coreos.com", "CatalogSource", "spec.image"),
    ("operators.coreos.com", "ClusterServiceVersion", "spec.relatedImages.[].image"),
    ("operators.coreos.com", "ClusterServiceVersion", "spec.install.spec.deployments.[].spec.template.spec!"),
    ("actions.github.com", "", "spec.template.spec!"),
    ("cdi.kubevirt.io", "", "spec.source.registry.url"),
    ("extensions.istio.io", "WasmPlugin", "spec.url"),
    ("machineconfiguration.openshift.io", "MachineConfig", "spec.osImageURL"),
    ("kubevirt.io", "VirtualMachine", "spec.template.spec.volumes.[].containerDisk.image"),
    ("kubevirt.io", "VirtualMachine", "spec.dataVolumeTemplates.[].spec.source.registry.url"),
    ("fluxcd.controlplane.io", "FluxInstance", "spec.distribution.artifact"),
];

/// What makes something else deploy what cannot be seen: group, kind (empty: every kind), the field that names it, and what
/// it is.
const CLOSED: &[(&str, &str, &str, &str)] = &[
    ("operators.coreos.com", "Subscription", "spec.name", "an operator of a catalog"),
    ("olm.operatorframework.io", "ClusterExtension", "spec.source.catalog.packageName", "an operator of a catalog"),
    ("fleet.cattle.io", "GitRepo", "spec.repo", "a repository that Fleet deploys"),
    ("kappctrl.k14s.io", "App", "spec.fetch", "what kapp-controller fetches"),
    ("packaging.carvel.dev", "PackageInstall", "spec.packageRef.refName", "a package"),
    ("fleet.cattle.io", "Bundle", "spec.resources.[].encoding", "a packed manifest"),
    ("fleet.cattle.io", "", "spec.helm.chart", "a chart"),
    ("addons.cluster.x-k8s.io", "HelmChartProxy", "spec.chartName", "a chart"),
    ("addons.cluster.x-k8s.io", "HelmReleaseProxy", "spec.chartName", "a chart"),
    ("config.projectsveltos.io", "", "spec.helmCharts.[].chartName", "a chart"),
    ("config.projectsveltos.io", "", "spec.kustomizationRefs", "what Sveltos builds"),
    ("core.oam.dev", "Application", "spec.components.[].properties.url", "what KubeVela fetches"),
    ("operator.tigera.io", "Installation", "spec", "a network"),
    ("policy.karmada.io", "", "spec.overrideRules.[].overriders.imageOverrider", "a policy that changes images"),
    ("apps.open-cluster-management.io", "Subscription", "spec.channel", "a channel"),
    ("install.istio.io", "IstioOperator", "spec", "a mesh"),
    ("sailoperator.io", "Istio", "spec.version", "a mesh"),
    ("tekton.dev", "", "spec.taskRef.resolver", "a task"),
    ("tekton.dev", "", "spec.pipelineRef.resolver", "a pipeline"),
    ("tekton.dev", "", "spec.steps.[].ref.resolver", "a step"),
    ("tekton.dev", "", "spec.taskSpec.steps.[].ref.resolver", "a step"),
    ("tekton.dev", "", "spec.tasks.[].taskSpec.steps.[].ref.resolver", "a step"),
    ("tekton.dev", "", "spec.tasks.[].pipelineRef.resolver", "a pipeline"),
    ("tekton.dev", "", "spec.tasks.[].taskRef.resolver", "a task"),
    ("tekton.dev", "", "spec.finally.[].taskRef.resolver", "a task"),
    ("tekton.dev", "", "spec.pipelineSpec.tasks.[].taskRef.resolver", "a task"),
];

/// A field of a custom resource that names an image, or with `!` at its end a pod spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The group of its kind.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Keys with dots between; `[]` is every item of a list, `*` every entry of a mapping.
    pub path: String,
}

/// Finds what the table and somebody's own fields know of an object; gives the nodes that were told.
pub(super) fn find(object: &Node, sink: &mut Sink) -> Vec<*const Node> {
    let (group, kind) = (object.group(), object.kind());
    let own = sink.fields();
    let own = own.iter().map(|field| (field.group.as_str(), field.kind.as_str(), field.path.as_str()));
    let mut told = Vec::new();
    for (_, _, path) in
        FIELDS.iter().copied().chain(own).filter(|(of, named, _)| *of == group && (named.is_empty() || *named == kind))
    {
        let (path, is_pod) = path.strip_suffix('!').map_or((path, false), |path| (path, true));
        let mut nodes = vec![object];
        for step in path.split('.') {
            nodes = nodes.into_iter().flat_map(|node| below(node, step)).collect();
        }
        for node in nodes {
            if !is_pod {
                // Parts of an image are put together elsewhere.
                let Some(text) = node.as_str() else { continue };
                told.push(std::ptr::from_ref(node));
                let bare = |text: &str| {
                    let mut bare = node.clone();
                    bare.rewrite(text, []);
                    bare
                };
                match (text.strip_prefix("oci://"), text.strip_prefix("docker://")) {
                    (Some(text), _) => sink.image_of(Class::Oci, &bare(text), Trust::Certain, None),
                    (None, Some(text)) => sink.image(&bare(text), Trust::Certain),
                    (None, None) => sink.image(node, Trust::Certain),
                }
                continue;
            }
            pod::find(node, Trust::Certain, sink);
            for key in ["containers", "initContainers", "ephemeralContainers"] {
                let containers = node.get(key).into_iter().flat_map(Node::items);
                told.extend(containers.filter_map(|container| container.get("image")).map(std::ptr::from_ref));
            }
            let volumes = node.get("volumes").into_iter().flat_map(Node::items);
            told.extend(volumes.filter_map(|volume| volume.get("image")).map(std::ptr::from_ref));
        }
    }
    told
}

/// The last keys of the fields of an object of this group and kind, as a template writes them; what it puts together may be
/// any group.
pub(super) fn named((group, kind): (&str, &str)) -> Vec<&'static str> {
    let is_of = |of: &str, named: &str| {
        let is_group = of == group || (group.contains("{{") && !named.is_empty());
        is_group && (named.is_empty() || named == kind || (kind.contains("{{") && of == group))
    };
    let paths = FIELDS.iter().filter(|(of, named, path)| is_of(of, named) && !path.ends_with('!'));
    paths.filter_map(|(.., path)| path.rsplit('.').next()).collect()
}

// The fields by which an object of this group and kind makes something else deploy, and what.
fn closing((group, kind): (&str, &str)) -> impl Iterator<Item = (&'static str, &'static str)> {
    let of = CLOSED.iter().filter(move |(of, named, ..)| *of == group && (named.is_empty() || *named == kind));
    of.map(|(.., path, what)| (*path, *what))
}

/// What an object of this group and kind makes something else deploy, if a template writes the field for it.
pub(super) fn closes(id: (&str, &str), text: &str) -> Option<&'static str> {
    let writes = |path: &str| {
        let key = path.rsplit('.').find(|step| !matches!(*step, "[]" | "*")).unwrap_or_default();
        text.contains(&format!("{key}:"))
    };
    closing(id).find(|(path, _)| writes(path)).map(|(_, what)| what)
}

/// Tells of what an object makes something else deploy.
pub(super) fn closed(object: &Node, sink: &mut Sink) {
    for (path, what) in closing((object.group(), object.kind())) {
        let mut nodes = vec![object];
        for step in path.split('.') {
            nodes = nodes.into_iter().flat_map(|node| below(node, step)).collect();
        }
        for node in nodes {
            let names = [node.as_str().unwrap_or_default(), object.name(), object.kind()];
            let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
            let note = format!("{what}, whose own images cannot be seen");
            sink.closed(name, Confidence::Opaque, node.places().collect(), &note);
        }
    }
}

fn below<'a>(node: &'a Node, step: &str) -> Vec<&'a Node> {
    match step {
        "[]" => node.items().iter().collect(),
        "*" => node.entries().iter().map(|(_, child)| child).collect(),
        key => node.get(key).into_iter().collect(),
    }
}
