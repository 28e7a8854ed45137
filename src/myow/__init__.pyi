from .datasets import load as load
from .evaluation import evaluate as evaluate
from .loading import load_model as load_model
from .methods.byol import BYOL as BYOL
from .methods.myow import MYOW as MYOW
from .readers import read as read
from .recording import Recording as Recording

__version__: str
