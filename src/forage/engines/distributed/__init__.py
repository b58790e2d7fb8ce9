"""Several processes of one run (`torchrun`): what they send each other, and what is split over them."""
