"""One thin module an agent: decode, call a pure function, emit."""
