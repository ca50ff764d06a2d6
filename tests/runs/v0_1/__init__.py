"""Runs of version 0.1 (commit 90e4d23), made in /tmp/v01 by its own commands, beside tiny.py.

    COMMAND="lottery model._target_=tiny.Tiny model.rates=[] iterations=60 evaluation.every=20 \
        trainer.threads=1 reinit.to=5 reinit.optimizer_state=restored"
    TRUNK=outputs/digits-Tiny-magnitude-0.2-layerwise-rewind-52d03530/seed_0
    $COMMAND rounds=2
    $COMMAND rounds=2 criterion=copy criterion.run=$TRUNK criterion.shuffle=layerwise logger=none
    $COMMAND -m rounds=1 seed=0,1 logger=none
    lottery-ticket $TRUNK
    lottery-stability $TRUNK --rounds 0,2 --steps 5 --pairs 1 --points 5

Reports, figures, TensorBoard's files and locks were left out. The files are never made again: they
are the proof that later versions read what this one wrote. A digest of tiny.py stands in run.json.
"""
