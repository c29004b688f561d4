"""Verbs: one public function, one transaction, then what follows the commit."""
