"""JSON schemas of the KubeRay resources, and the Kubernetes ones beside them, as far as our manifests use them.

Written from the published API reference (ray.io/v1). Every object is closed: a misspelt field is an error here, where
the API server would drop it in silence.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
BOOLEAN: Schema = {"type": "boolean"}
QUANTITY: Schema = {"type": "string", "pattern": r"^\d+(\.\d+)?(m|[KMGT]i?)?$"}
STRINGS: Schema = {"type": "object", "additionalProperties": STRING}
NAME: Schema = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}


def closed(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def listed(items: Schema, least: int = 1) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


AMOUNTS = closed(**{"cpu": QUANTITY, "memory": QUANTITY, "nvidia.com/gpu": QUANTITY})
RESOURCES = closed(("requests", "limits"), requests=AMOUNTS, limits=AMOUNTS)
SECURITY = closed(
    ("allowPrivilegeEscalation", "runAsNonRoot", "runAsUser"),
    allowPrivilegeEscalation={"const": False},
    runAsNonRoot={"const": True},
    runAsUser={"type": "integer", "minimum": 1},
    seccompProfile=closed(("type",), type={"enum": ["RuntimeDefault", "Unconfined"]}),
    appArmorProfile=closed(("type",), type={"enum": ["RuntimeDefault", "Unconfined"]}),
)
CONTAINER = closed(
    ("name", "image", "resources", "securityContext"),
    name=NAME,
    image={"type": "string", "pattern": r"^\S+:(?!latest)\S+$"},
    args=listed(STRING),
    # Values of secrets never stand in a manifest: plain `value`s are for the few that are none.
    env=listed(
        closed(
            ("name", "value"), name={"enum": ["HF_HUB_CACHE", "HF_HUB_OFFLINE", "RAY_worker_niceness"]}, value=STRING
        )
    ),
    envFrom=listed(closed(secretRef=closed(("name",), name=NAME, optional=BOOLEAN))),
    ports=listed(closed(("containerPort",), containerPort={"type": "integer", "maximum": 65_535}, name=NAME)),
    resources=RESOURCES,
    securityContext=SECURITY,
    volumeMounts=listed(closed(("name", "mountPath"), name=NAME, mountPath=STRING, readOnly=BOOLEAN)),
)
VOLUME = closed(
    ("name",),
    name=NAME,
    emptyDir=closed(medium={"const": "Memory"}, sizeLimit=QUANTITY),
    configMap=closed(("name",), name=NAME),
    persistentVolumeClaim=closed(("claimName",), claimName=NAME, readOnly=BOOLEAN),
)
TOLERATION = closed(
    key=STRING,
    operator={"enum": ["Exists", "Equal"]},
    value=STRING,
    effect={"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
)
POD = closed(
    ("containers",),
    serviceAccountName=NAME,
    restartPolicy={"const": "Never"},
    terminationGracePeriodSeconds=COUNT,
    nodeSelector=STRINGS,
    tolerations=listed(TOLERATION),
    securityContext=closed(fsGroup=COUNT, fsGroupChangePolicy={"enum": ["Always", "OnRootMismatch"]}),
    containers=listed(CONTAINER),
    volumes=listed(VOLUME),
)
TEMPLATE = closed(("spec",), metadata=closed(labels=STRINGS), spec=POD)

WORKER_GROUP = closed(
    ("groupName", "minReplicas", "maxReplicas", "template"),
    groupName=NAME,
    replicas=COUNT,
    minReplicas=COUNT,
    maxReplicas=COUNT,
    numOfHosts=COUNT,
    idleTimeoutSeconds=COUNT,
    rayStartParams=STRINGS,
    template=TEMPLATE,
)
CLUSTER_SPEC = closed(
    ("rayVersion", "headGroupSpec", "workerGroupSpecs", "authOptions"),
    rayVersion=STRING,
    enableInTreeAutoscaling=BOOLEAN,
    autoscalerOptions=closed(
        version={"enum": ["v1", "v2"]},
        idleTimeoutSeconds=COUNT,
        upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
        resources=RESOURCES,
    ),
    authOptions=closed(("mode",), mode={"const": "token"}),
    headGroupSpec=closed(("template",), serviceType=STRING, rayStartParams=STRINGS, template=TEMPLATE),
    workerGroupSpecs=listed(WORKER_GROUP),
)
JOB_SPEC = closed(
    ("entrypoint", "rayClusterSpec"),
    entrypoint=STRING,
    submissionMode={"enum": ["K8sJobMode", "HTTPMode", "SidecarMode"]},
    backoffLimit=COUNT,
    activeDeadlineSeconds=COUNT,
    shutdownAfterJobFinishes=BOOLEAN,
    ttlSecondsAfterFinished=COUNT,
    rayClusterSpec=CLUSTER_SPEC,
)
SELECTOR = closed(("matchLabels",), matchLabels=STRINGS)
SCHEDULE: Schema = {"type": "string", "pattern": r"^(\S+ ){4}\S+$"}


def resource(api_version: str, kind: str, **rest: Schema) -> Schema:
    metadata = closed(name=NAME, generateName=STRING, labels=STRINGS, annotations=STRINGS)
    head = {"apiVersion": {"const": api_version}, "kind": {"const": kind}, "metadata": metadata}
    return closed(("apiVersion", "kind", "metadata", *rest), **head, **rest)


SCHEMAS = {
    "RayCluster": resource("ray.io/v1", "RayCluster", spec=CLUSTER_SPEC),
    "RayJob": resource("ray.io/v1", "RayJob", spec=JOB_SPEC),
    "RayCronJob": resource(
        "ray.io/v1",
        "RayCronJob",
        spec=closed(
            ("schedule", "jobTemplate"), schedule=SCHEDULE, timeZone=STRING, suspend=BOOLEAN, jobTemplate=JOB_SPEC
        ),
    ),
    "CronJob": resource(
        "batch/v1",
        "CronJob",
        spec=closed(
            ("schedule", "jobTemplate", "concurrencyPolicy"),
            schedule=SCHEDULE,
            timeZone=STRING,
            concurrencyPolicy={"enum": ["Forbid", "Replace"]},
            startingDeadlineSeconds=COUNT,
            successfulJobsHistoryLimit=COUNT,
            failedJobsHistoryLimit=COUNT,
            jobTemplate=closed(("spec",), spec=closed(("template",), backoffLimit=COUNT, template=TEMPLATE)),
        ),
    ),
    "Job": resource("batch/v1", "Job", spec=closed(("template",), backoffLimit=COUNT, template=TEMPLATE)),
    "RayService": resource(
        "ray.io/v1",
        "RayService",
        spec=closed(
            ("serveConfigV2", "rayClusterConfig"),
            upgradeStrategy=closed(
                ("type",), type={"enum": ["NewCluster", "NewClusterWithIncrementalUpgrade", "None"]}
            ),
            rayClusterDeletionDelaySeconds=COUNT,
            serveConfigV2=STRING,
            rayClusterConfig=CLUSTER_SPEC,
        ),
    ),
    "Ingress": resource(
        "networking.k8s.io/v1",
        "Ingress",
        spec=closed(
            ("tls", "rules"),
            ingressClassName=NAME,
            tls=listed(closed(("hosts", "secretName"), hosts=listed(STRING), secretName=NAME)),
            rules=listed(
                closed(
                    ("host", "http"),
                    host=STRING,
                    http=closed(
                        ("paths",),
                        paths=listed(
                            closed(
                                ("path", "pathType", "backend"),
                                path=STRING,
                                pathType={"enum": ["Prefix", "Exact"]},
                                backend=closed(
                                    ("service",),
                                    service=closed(("name", "port"), name=NAME, port=closed(("number",), number=COUNT)),
                                ),
                            )
                        ),
                    ),
                )
            ),
        ),
    ),
    "NetworkPolicy": resource(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec=closed(
            ("podSelector", "policyTypes", "ingress"),
            podSelector=SELECTOR,
            policyTypes=listed({"const": "Ingress"}),
            ingress=listed(
                closed(
                    ("from",),
                    **{
                        "from": listed(closed(podSelector=SELECTOR, namespaceSelector=SELECTOR)),
                        "ports": listed(closed(("port",), protocol={"const": "TCP"}, port=COUNT)),
                    },
                )
            ),
        ),
    ),
    "ServiceAccount": resource("v1", "ServiceAccount"),
    "PersistentVolumeClaim": resource(
        "v1",
        "PersistentVolumeClaim",
        spec=closed(
            ("storageClassName", "accessModes", "resources"),
            storageClassName={"type": "string"},
            # ReadOnlyMany cannot be filled, and ReadWriteOnce reaches one node.
            accessModes=listed({"const": "ReadWriteMany"}),
            resources=closed(("requests",), requests=closed(("storage",), storage=QUANTITY)),
        ),
    ),
    "Role": resource(
        "rbac.authorization.k8s.io/v1",
        "Role",
        rules=listed(
            closed(
                ("apiGroups", "resources", "verbs"),
                **{key: listed(STRING) for key in ("apiGroups", "resources", "verbs")},
            )
        ),
    ),
    "RoleBinding": resource(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        subjects=listed(closed(("kind", "name"), kind={"const": "ServiceAccount"}, name=NAME)),
        roleRef=closed(("apiGroup", "kind", "name"), apiGroup=STRING, kind={"const": "Role"}, name=NAME),
    ),
    "ConfigMap": resource("v1", "ConfigMap", data=STRINGS),
}
