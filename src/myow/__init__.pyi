from .datasets import load as load
from .evaluation import evaluate as evaluate
from .loading import load_model as load_model
from .methods.autoencoder import Autoencoder as Autoencoder
from .methods.byol import BYOL as BYOL
from .methods.myow import MYOW as MYOW
from .methods.rp import RP as RP
from .methods.simclr import SimCLR as SimCLR
from .methods.ts import TS as TS
from .readers import read as read
from .recording import Recording as Recording

__version__: str
