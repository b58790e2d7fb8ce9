"""Arithmetic: pure functions of tensors that know no record. Each cites the formula it computes."""
