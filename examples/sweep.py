"""Searches for the options of `elbo train` by which the test loss is lowest.

    pip install optuna
    python3 examples/sweep.py STUDY TRIALS [options of `elbo train` that all runs have]

STUDY is a folder for the study and its runs. Start it several times, on several machines with a common folder (on Linux and
macOS): each process takes trials until there are TRIALS. A run that does badly is stopped early, with a checkpoint. What a
killed process left goes on from its last checkpoint when the sweep is started again.
"""

import fcntl
import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

folder, trials, fixed = Path(sys.argv[1]).absolute(), int(sys.argv[2]), sys.argv[3:]


def options(trial):
    """What is searched, and where."""
    return {
        "--lr": trial.suggest_float("lr", 1e-4, 1e-2, log=True),
        "--latent": trial.suggest_int("latent", 2, 64, log=True),
        "--hidden": trial.suggest_categorical("hidden", ["128", "256", "512", "256,128"]),
    }


def epochs_of(command):
    """Starts a training, and gives it with the numbers of each of its epochs."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as training:
        for line in map(json.loads, training.stdout):
            if line["kind"] == "epoch":
                yield training, line
    if training.returncode:
        raise RuntimeError(f"elbo train: exit code {training.returncode}")


def objective(trial):
    run = Path(trial.user_attrs.get("run", folder / f"trial-{trial.number:04}"))
    trial.set_user_attr("run", str(run))
    asked = [text for option in options(trial).items() for text in map(str, option)]
    has_begun = (run / "config.toml").exists()
    command = ["--resume", run] if has_begun else ["--out", run, *asked, *fixed]
    for training, epoch in epochs_of(["elbo", "train", "--json", *command]):
        trial.report(epoch["test_loss"], epoch["epoch"])
        if trial.should_prune():
            training.terminate()  # It saves: `elbo train --resume` would go on.
            raise optuna.TrialPruned
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [line["test_loss"] for line in lines if line["kind"] == "epoch"][-1]


def take_up(study):
    """Gives trials whose process was killed to whoever asks next: nobody trains their runs any more."""
    listed = subprocess.run(["elbo", "runs", folder, "--json"], capture_output=True, check=True)
    runs = {run["path"]: run for run in json.loads(listed.stdout)}
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        run = runs.get(str(Path(trial.user_attrs.get("run", "")).absolute()))
        is_new = datetime.now() - trial.datetime_start < timedelta(seconds=10)
        if run and not is_new and run["status"] != "running" and (run["written_seconds_ago"] or 0) > 5:
            try:
                study.tell(trial.number, state=TrialState.FAIL)
            except (ValueError, UpdateFinishedTrialError):
                continue  # Another process has just done so.
            study.enqueue_trial(trial.params, user_attrs={"run": run["path"]})


class Lock:
    """The system's lock of a file, which it takes back from a process that is killed."""

    def acquire(self):
        self.file = open(folder / "study.lock", "w")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        return True

    def release(self):
        self.file.close()


folder.mkdir(parents=True, exist_ok=True)
storage = JournalStorage(JournalFileBackend(str(folder / "study.log"), Lock()))
pruner = optuna.pruners.MedianPruner(n_warmup_steps=2)
study = optuna.create_study(storage=storage, pruner=pruner, study_name="elbo", load_if_exists=True)
take_up(study)
over = (TrialState.COMPLETE, TrialState.PRUNED)
study.optimize(objective, callbacks=[optuna.study.MaxTrialsCallback(trials, states=over)])
print(f"best: {study.best_value:.2f} by {study.best_params}, in {study.best_trial.user_attrs['run']}")
