"""The clinical context of a call: prefetch templates, the patient's resources, who and where."""
