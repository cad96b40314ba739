"""Corrections after training: changes to a float file by which the integer file that is made of it loses less."""
