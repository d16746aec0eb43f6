"""The devices that PyTorch computes on, and the rules of each kind.

build          which PyTorch is installed, read without importing it
system         what the machine has: drivers, files of devices, variables that hide some
rule           what a kind of device says: which there are, or why none; in which precisions they compute
cpu            the rule of processors
cuda           of NVIDIA's GPUs
rocm           of AMD's
mps            of Apple's
torch_device   one device: moves weights, inputs and answers, and says what memory it has
"""
