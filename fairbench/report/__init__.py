"""Tables, figures and templates: records to HTML and CSV."""
