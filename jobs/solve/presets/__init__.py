"""The presets of models, one TOML each. `jobs.presets` reads them; docs/models.md says what a preset may hold."""
