"""A stand-in for MLflow and its server, which keeps runs in lists."""

import dataclasses
import types
from typing import NamedTuple


class Metric(NamedTuple):
    key: str
    value: float
    timestamp: int
    step: int


class Entry(NamedTuple):
    """A parameter or a tag."""

    key: str
    value: str


@dataclasses.dataclass
class Run:
    run_id: str
    experiment: str
    name: str | None
    tags: dict[str, str]
    status: str = "RUNNING"
    params: dict[str, str] = dataclasses.field(default_factory=dict)
    history: list[Metric] = dataclasses.field(default_factory=list)

    @property
    def info(self):
        return types.SimpleNamespace(run_id=self.run_id)

    @property
    def data(self):
        last = {metric.key: metric for metric in self.history}
        proto = types.SimpleNamespace(metrics=list(last.values()))
        return types.SimpleNamespace(
            metrics={key: metric.value for key, metric in last.items()},
            params=dict(self.params),
            tags=dict(self.tags),
            to_proto=lambda: proto,
        )

    def points(self, key="loss"):
        return [(past.step, past.value) for past in self.history if past.key == key]


class Server:
    """Runs by id, and the sizes of all batches; `error` is raised by all requests."""

    def __init__(self):
        self.runs, self.experiments, self.batches = [], [], []
        self.error, self.requests = None, 0

    def client(self, uri):
        if "//" not in uri:
            raise RuntimeError(f"no store for {uri}")
        return Client(self)

    def ask(self):
        self.requests += 1
        if self.error is not None:
            raise self.error


class Client:
    def __init__(self, server):
        self.server = server

    def get_experiment_by_name(self, name):
        self.server.ask()
        if name in self.server.experiments:
            return types.SimpleNamespace(experiment_id=f"id of {name}")

    def create_experiment(self, name):
        self.server.experiments.append(name)
        return f"id of {name}"

    def create_run(self, experiment_id, run_name=None, tags=None):
        run = Run(str(len(self.server.runs)), experiment_id, run_name, tags or {})
        self.server.runs.append(run)
        return run

    def get_run(self, run_id):
        self.server.ask()
        return self.server.runs[int(run_id)]

    def search_runs(self, experiments, query, max_results, order_by):
        name = query.split('"')[1]
        found = [
            run
            for run in reversed(self.server.runs)
            if run.experiment in experiments and run.tags.get("tntjax.run") == name
        ]
        return found[:max_results]

    def update_run(self, run_id, status):
        self.get_run(run_id).status = status

    def set_terminated(self, run_id, status):
        self.get_run(run_id).status = status

    def log_batch(self, run_id, metrics, params, tags, synchronous):
        assert synchronous
        run = self.get_run(run_id)
        self.server.batches.append((len(metrics), len(params), len(tags)))
        run.history += metrics
        run.params |= dict(params)
        run.tags |= dict(tags)


def modules(server):
    """Returns what stands for MLflow among `sys.modules`."""
    entities = types.ModuleType("mlflow.entities")
    entities.Metric, entities.Param, entities.RunTag = Metric, Entry, Entry
    mlflow = types.ModuleType("mlflow")
    mlflow.entities, mlflow.MlflowClient = entities, server.client
    return {"mlflow": mlflow, "mlflow.entities": entities}
