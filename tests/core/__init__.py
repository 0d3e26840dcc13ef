"""The core's contract, sentence by sentence."""
