from nmt.data.grammar.generate import Grammar

__all__ = ["Grammar"]
