"""Engines of the fused backend: each supplies what `Driver` asks for."""
