from nmt.data.synthetic.generate import Grammar

__all__ = ["Grammar"]
