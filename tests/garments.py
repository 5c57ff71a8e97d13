"""The class names one by one, in whichever language the data folder has them."""

from fmnist_lib.data import CLASS_NAMES

T_SHIRT, TROUSER, PULLOVER, DRESS, COAT, SANDAL, SHIRT, SNEAKER, BAG, BOOT = CLASS_NAMES
TOPS = [T_SHIRT, PULLOVER, COAT, SHIRT]
