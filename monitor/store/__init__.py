"""The memory: tables, transactions, migrations. State lives here and nowhere else."""
