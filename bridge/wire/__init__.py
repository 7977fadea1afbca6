"""Protobuf modules, generated from `proto/` at build time."""
