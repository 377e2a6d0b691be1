"""The structs that all layers share, most of them as they go over the wire."""
