"""Compiled loops of the engines of the fused backend."""
