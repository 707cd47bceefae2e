"""Network paths through a VPC, as configured."""
