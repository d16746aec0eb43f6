"""Models divided over several devices by transformers' own plans (docs/decisions/0544).

An instance stays one worker to the server. The worker holds the first part and starts a process for each other one, its
peers. Every process runs the same steps; what they exchange within a step goes by `torch.distributed`.

    division    into how many parts a model may be divided, from facts alone
    group       the processes' group in `torch.distributed`
    part        one process's part of a model
    channel     frames between the worker and a peer
    steps       steps as frames
    peers       the worker's side: starts peers, tells them what to do, and ends with them
    model       the step model that the worker gives to the generation core

A peer's own side is the program `panope_backends.programs.model_part`.
"""
