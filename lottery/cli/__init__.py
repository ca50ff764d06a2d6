"""The commands, one per file: `lottery` is `train`, `lottery-ticket` is `ticket`, and so on."""
