"""Trees that tests run as daemons, in processes of their own."""
