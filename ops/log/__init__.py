"""`gateway topics`: the topics, the records on them, their schemas, and how far each reader is behind."""
