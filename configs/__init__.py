"""The YAML files that Hydra composes; installed as `nmt.configs`."""
