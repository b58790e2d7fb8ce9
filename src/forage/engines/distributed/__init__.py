"""Several processes of one run (`torchrun`): what they tell each other, and what is split over them."""
