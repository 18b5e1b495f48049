"""The demo club: made-up people, a year of their doings, templates and a journey, the same from the same seed."""
