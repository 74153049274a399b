"""Everything a run writes for readers: summary, tables, figures, reports, TensorBoard."""
