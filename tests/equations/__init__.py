"""Every numbered equation by another route, a file for each notebook.

The functions of labutils and of the notebooks are compared with quadrature, enumeration,
finite differences, sampling or torch.distributions.
"""
