"""Train on chunks with a checkpoint: ``train.py READER FOLDER [WHEN N]``.

With WHEN and N the process kills itself: at the N-th "write", "sync", "replace" or
"replaced" of the checkpoint, or the N-th "chunk".
"""

import os
import pickle
import signal
import sys
from itertools import count
from pathlib import Path

from readers import READERS

from skbackprop import BackpropClassifier, train_on_chunks

N_PASSES = 3


def new_classifier():
    return BackpropClassifier((8,), dropout=0.2, random_state=0, batch_size=32)


def main(reader, folder, when=None, n="0"):
    if when is not None:
        kill_at(when, int(n))
    clf = new_classifier()
    read = READERS[reader](Path(folder))
    checkpoint = Path(folder, "checkpoint")
    training = train_on_chunks(
        clf, read, n_passes=N_PASSES, classes=[0, 1], checkpoint=checkpoint
    )
    for report in training:
        print(report.n_done, flush=True)
    return clf


def kill_at(when, n):
    """Put something that dies at its n-th call in place of what the training calls."""
    owner, name = {
        "chunk": (BackpropClassifier, "partial_fit"),
        "write": (pickle, "dump"),
        "sync": (os, "fsync"),
        "replace": (Path, "replace"),
        "replaced": (Path, "replace"),
    }[when]
    function, calls = getattr(owner, name), count(1)

    def call(*arguments, **keywords):
        if next(calls) == n:
            if when == "write":
                written, file = arguments
                file.write(pickle.dumps(written)[:1000])
                file.flush()
            if when == "replaced":
                function(*arguments, **keywords)
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **keywords)

    setattr(owner, name, call)


if __name__ == "__main__":
    main(*sys.argv[1:])
