### Слова для людей, по-русски. В `en.ftl` те же сообщения с теми же параметрами.

## The page

summary = Сводка
revision = Ревизия
revisions = Ревизии
tills-current = Касс в строю
broker = Брокер
broker-consuming = на связи
broker-down = нет связи
certificate = Сертификат
certificate-days = осталось дней: { $n }
open-ports = Открыты без TLS
newest-backup = Последняя копия
backup-none = ещё нет
last-rehearsal = Проба копии
rehearsal-none = ещё не было
rehearsal-stood = всё на месте
attention = Требует внимания
tills = Кассы
shop = Магазин
till = Касса
condition = Состояние
has-revision = Ревизия
data-age = Цены от
last-contact = Связь
delivery = Доставка
rows = Записей
unsent = Не выгружено
no-tills = Касс пока нет. Добавить: cash-server node add
and-more = и ещё { $n }
sales-by-shift = Продажи по сменам
shift = Смена
opened = Открыта
closed = Закрыта
receipts-till = Чеков на кассе
receipts-server = Чеков здесь
sum-till = Сумма на кассе
sum-server = Сумма здесь
check = Сверка
no-shifts = Продаж пока нет.
loads = Загрузки
load = Загрузка
layer = Слой
source = Источник
accepted = Принята
took = Длилась
status = Статус
rejected = Отклонено
rejected-records = Отклонённые записи: { $n }
line = строка { $n }:
seconds = { $n } с
no-loads = Загрузок пока нет.
load-progress = прочитано { $percent } %, записей: { $records }
package = Пакет
objects = Объектов
bytes = Байт
updated = Обновлено
no-deliveries = Доставок пока нет.
broker-blocked = не принимает сообщения
notices = Отклонённые записи и предупреждения
notices-explained = Они остаются здесь, пока их кто-нибудь не просмотрит или пока следующая загрузка не принесёт тот же объект без ошибки.
notices-open = отклонено: { $rejects }, предупреждений: { $warnings }
notice-what = Что случилось
line-in-file = Строка
seen = Просмотрено
seen-all = Просмотрено всё
warning = предупреждение
reject = отклонено
warnings = Предупр.
warnings-of-load = Предупреждений: { $n }
acknowledge = Просмотрено
aside = Отложено
place-chain = вся сеть
place-group = группа { $code }
place-shop = магазин { $code }
unknown = неизвестно
in-future = в будущем: часы кассы
attach-new = Подключить новую кассу
attach-code = Код подключения
attach-till-code = Код кассы
attach-till-name = Название
attach-make = Получить код
attach-no-shops = Магазинов ещё нет: создайте магазин командой cash-server node add shop.
attach-code-of = Код подключения кассы { $till }
attach-code-once = Он показан только сейчас, годен один раз и до { $until }. Прежний код этой кассы больше не действует; секрет, который у кассы есть, перестанет действовать, когда этот код будет использован.
attach-on-till = На кассе, от имени root:
stolen = Украдена или утеряна…
stolen-of = { $till } украдена или утеряна
stolen-does = Одно нажатие закрывает кассе доступ: всё, что есть на её диске, сразу теряет силу, и за пять секунд обрываются её соединения с брокером, с приёмом продаж и с REST. Открытые коды подключения для неё тоже перестают действовать. Касса считается на ремонте, пока вместо неё не подключат другую машину. Восстановление из резервной копии этого не отменит.
stolen-is-out = Кассе { $till } доступ закрыт: то, что есть на её диске, больше ничего не открывает.
stolen-thief-can = У кого машина, тот может прочитать, что на её диске: цены, кассиров с их паролями и чеки, пробитые на ней.
stolen-thief-cannot = Он не может распоряжаться другими кассами, читать их сообщения, отчитываться или передавать чеки за кого бы то ни было, узнать секрет другой кассы или сервера.
stolen-receipts = Чеки, которые на ней пробиты и не переданы, есть только на её диске. Они потеряны, если он не вернётся; а вернётся — подключите его кодом, и касса их передаст.
stolen-unsent = По её последнему слову, { $at }, не передано документов: { $n }; что она продала потом, неизвестно.
stolen-besides = Кроме того: задайте кассирам новые пароли в учётной системе, сообщите в полицию и, о фискальном накопителе, в налоговую.
stolen-replacement = Машину вместо неё подключают кодом: номер и история кассы сохраняются, и касса возвращается с ремонта.
stolen-code = Код для машины вместо неё
stolen-act = Закрыть кассе доступ

## Страницы

nav-overview = Обзор
nav-tills = Кассы
nav-loads = Загрузки
nav-goods = Товары
nav-sales = Продажи
nav-findings = Замечания
nav-server = Сервер
nav-people = Пользователи
find-till = Найти кассу: код, магазин, название
headline-tills = { $n ->
    [one] Внимания требует { $n } касса из { $total }
    [few] Внимания требуют { $n } кассы из { $total }
   *[many] Внимания требуют { $n } касс из { $total }
 }
headline-problems = { $n ->
    [one] Внимания требует { $n } вещь
    [few] Внимания требуют { $n } вещи
   *[many] Внимания требуют { $n } вещей
 }
headline-fine = Всё в порядке
headline-new = На этом сервере ещё нет касс
lead-in-step = Всё, что должны, есть у { $n } касс из { $total }; последняя ревизия — { $revision }.
lead-way = Цена доходит до кассы за { $half } с (в половине случаев) и за { $most } с (в 95 из 100).
show-tills = { $n ->
    [one] Показать { $n } кассу
    [few] Показать { $n } кассы
   *[many] Показать { $n } касс
 }
look-at-it = Посмотреть
nothing-to-look-at = Ничто не требует внимания
under-way = Идёт сейчас
load-of = Загрузка, { $layer }
tills-on-the-way = { $n ->
    [one] { $n } касса получает новые данные
    [few] { $n } кассы получают новые данные
   *[many] { $n } касс получают новые данные
 }
to-revision = до ревизии { $revision }
runs-now = выполняется
nothing-under-way = Ничего не загружается и не передаётся.
of-total = из { $total }
receipts-today = Чеков сегодня
price-to-till = Цена до кассы, 95 из 100
half-of-them = половина за { $n } с
nothing-went-out = сегодня ничего не передавалось
unsent-documents = { $n ->
    [one] { $n } документ ждёт на кассе
    [few] { $n } документа ждут на кассах
   *[many] { $n } документов ждут на кассах
 }
loads-today = Загрузок сегодня
in-this-hour = за этот час { $n }
lately-day = Последние 24 часа
lately-week = Последние 7 дней
lately-slot-day = Час
lately-slot-week = День
lately-table = То же таблицей
plot-receipts = Чеки
plot-way = Цена до кассы: половина (закрашено) и 95 из 100
plot-loads = Загрузки
plot-none-receipts = Чеков не было.
plot-none-way = На кассы ничего не передавалось.
plot-none-loads = Загрузок не было.
way-told = половина за { $half }, 95 из 100 за { $most }
half-column = Половина, с
most-column = 95 из 100, с
on-tills = { $n ->
    [one] на { $n } кассе
    [few] на { $n } кассах
   *[many] на { $n } кассах
 }
filter = Отбор
code-shop-name = Код, магазин или название
all-shops = Все магазины
all-groups = Все группы
all-versions = Все версии
group = Группа
filter-do = Отобрать
filter-clear = Показать все
filter-more = Другие отборы
filter-silent = Молчит минут, не меньше
filter-behind = Отстаёт на ревизий, не меньше
filter-unsent = Не выгружено документов, не меньше
choose-all-shown = Выбрать все показанные
choose-till = Выбрать кассу { $till }
pages = Страницы
page-before = ← Назад
page-after = Дальше →
rows-of = { $first }–{ $last } из { $total }
tills-found = Подходит касс: { $n } из { $total }.
tills-all = { $n ->
    [one] { $n } касса; сначала те, что требуют внимания.
    [few] { $n } кассы; сначала те, что требуют внимания.
   *[many] { $n } касс; сначала те, что требуют внимания.
 }
no-tills-found = Ни одна касса не подходит.
needs-a-look = требует внимания
agent = Агент
clock = Часы
clock-right = верны
clock-seconds = Часы спешат, секунд
name = Название
should-have = Должна быть
reason-to-wait = Почему ждёт
id = Идентификатор
bulk-of = Какие кассы
bulk-chosen = Выбранные
bulk-all = Все подходящие: { $n }
bulk-do = Что с ними сделать
bulk-act-park = На ремонт
bulk-act-unpark = Вернуть с ремонта
bulk-act-ask = Запросить продажи
bulk-act-recount = Пересчитать
bulk-ask-park = { $n ->
    [one] Отметить { $n } кассу как «на ремонте»?
    [few] Отметить { $n } кассы как «на ремонте»?
   *[many] Отметить { $n } касс как «на ремонте»?
 }
bulk-ask-unpark = { $n ->
    [one] Вернуть с ремонта { $n } кассу?
    [few] Вернуть с ремонта { $n } кассы?
   *[many] Вернуть с ремонта { $n } касс?
 }
bulk-ask-ask = { $n ->
    [one] Запросить продажи у { $n } кассы?
    [few] Запросить продажи у { $n } касс?
   *[many] Запросить продажи у { $n } касс?
 }
bulk-ask-recount = { $n ->
    [one] Пересчитать справочник на { $n } кассе?
    [few] Пересчитать справочники на { $n } кассах?
   *[many] Пересчитать справочники на { $n } кассах?
 }
bulk-means-park = Касса на ремонте не вызывает тревог, ей ничего не передаётся, и день закрывается без неё. Продавать она может по тем данным, что у неё есть.
bulk-means-unpark = Им будет передано то, чего у них нет, и тревоги о них снова появятся.
bulk-means-ask = Каждая передаст завершённые документы, которых у этого сервера ещё нет.
bulk-means-recount = Каждая пересчитает все строки справочника и сравнит с тем, что должно быть; расхождения будут переданы заново сами.
bulk-already = { $n ->
    [one] С { $n } так уже есть.
    [few] С { $n } так уже есть.
   *[many] С { $n } так уже есть.
 }
bulk-silent = { $n ->
    [one] { $n } молчит: приказ её подождёт.
    [few] { $n } молчат: приказ их подождёт.
   *[many] { $n } молчат: приказ их подождёт.
 }
bulk-none = Не выбрано ни одной кассы. Отметьте кассы в списке или возьмите все подходящие.
bulk-too-many = За один раз не больше { $n } касс: сузьте отбор, остальные потом.
bulk-result = Что с ней будет
bulk-does = будет сделано
bulk-same = уже так
bulk-waits = подождёт кассу
bulk-done = сделано
bulk-under-way = уже в пути
bulk-failed = не удалось
bulk-failed-for = { $n ->
    [one] Не удалось для { $n } кассы из { $total }
    [few] Не удалось для { $n } касс из { $total }
   *[many] Не удалось для { $n } касс из { $total }
 }
bulk-did-park = { $n ->
    [one] { $n } касса теперь на ремонте.
    [few] { $n } кассы теперь на ремонте.
   *[many] { $n } касс теперь на ремонте.
 }
bulk-did-unpark = { $n ->
    [one] { $n } касса возвращена с ремонта.
    [few] { $n } кассы возвращены с ремонта.
   *[many] { $n } касс возвращены с ремонта.
 }
bulk-did-ask = { $n ->
    [one] Продажи запрошены у { $n } кассы.
    [few] Продажи запрошены у { $n } касс.
   *[many] Продажи запрошены у { $n } касс.
 }
bulk-did-recount = { $n ->
    [one] Пересчёт запрошен у { $n } кассы.
    [few] Пересчёт запрошен у { $n } касс.
   *[many] Пересчёт запрошен у { $n } касс.
 }
back-to-tills = К списку касс
till-named = Касса { $till }
till-now = Сейчас
timeline = Что было
till-is-never-heard-of = Она создана { $age } назад и ещё не выходила на связь.
till-is-silent = О ней ничего не слышно уже { $age }. Если она работает, то продаёт по ревизии { $revision }.
till-is-current = Она продаёт по последним ценам, ревизия { $revision }.
till-is-behind = Она продаёт по ревизии { $revision }; ревизия { $target } в пути.
till-is-parked = Она на ремонте: ей ничего не передаётся, и тревог о ней нет.
till-is-sales-wait = Её чеки не поступают. Они остаются на ней и не потеряны.
till-is-trouble = Она не получает того, что должна.
till-waits = Причина: { $why }.
till-unsent = { $n ->
    [one] На ней ждёт { $n } завершённый документ.
    [few] На ней ждут { $n } завершённых документа.
   *[many] На ней ждут { $n } завершённых документов.
 }
till-code-open = Код её подключения открыт до { $until }.
code-end = Отменить код
is-newest = последняя
last-receipt = последний чек здесь: { $at }
till-has-no-secret = без секрета
digest = отпечаток
in-its-queue = в очереди: { $n }
dictionary-log = журнал справочника: { $n } МиБ
made-at = создана { $at }
nothing-aside-there = На этой кассе ничего не отложено.
nothing-aside = Ничего не отложено.
aside-act = Что сделать
event-delivery-announced = Сообщено о ревизии { $to } (с { $from })
event-delivery-downloaded = Скачала ревизию { $to } (с { $from })
event-delivery-queued = Поставила в очередь ревизию { $to } (с { $from })
event-delivery-applied = Загружена ревизия { $to } (с { $from })
event-delivery-rejected = Отклонила ревизию { $to } (с { $from })
event-delivery-expired = Нет ответа о ревизии { $to } (с { $from })
event-delivery-superseded = Ревизия { $to } (с { $from }) уступила более новой
package-of = объектов: { $objects }, байт: { $bytes }
within = за { $age }
event-order-unload = Запрошены продажи
event-order-verify = Запрошен пересчёт
event-order-state = Запрошено состояние
event-order-retry = Велено повторить отложенное
event-order-drop = Велено удалить отложенное
command-waiting = ждёт
command-sent = отправлено
command-running = выполняется
command-done = сделано
command-failed = не удалось
command-refused = отклонено
command-expired = нет ответа
receipts-came = { $n ->
    [one] { $n } чек
    [few] { $n } чека
   *[many] { $n } чеков
 }
closed-since = уже закрыто
event-made = Создана
event-heard = Первый раз вышла на связь
event-back = Снова на связи
event-two-machines = Под её кодом отчитываются две машины
event-went-back = Вернулась к старым данным
event-claimed = Назвала ревизию, которую здесь не получала
event-silent = Молчит с этого времени
did-node-create = Заведена
did-node-rename = Переименована
did-node-move = Перенесена
did-node-remove = Удалена
did-till-park = Отправлена на ремонт
did-till-unpark = Возвращена с ремонта
did-till-token = Получила новый секрет
did-till-stolen = Закрыт доступ: украдена или утеряна
did-till-attach = Подключена кодом
did-attach-code-make = Выдан код подключения
did-attach-code-end = Код подключения отменён
did-till-unload = Запрос продаж
did-till-verify = Запрос пересчёта
did-till-acknowledge = Отмечено как просмотренное
did-till-go-past = Ревизии продолжены после названной ею
did-aside-retry = Велено повторить отложенное
did-aside-drop = Велено удалить отложенное
findings-explained = Что сервер нашёл такого, на что должен посмотреть человек: сначала самое важное, и что с этим делать.
all-of-them = все
loads-explained = Что передали учётные системы, что из этого отклонено и что в пути к кассам.
what-changed = Что изменилось
load-counts = добавлено { $added }, изменено { $changed }, удалено { $deleted }
load-unchanged = без изменений { $n }
last-loads = Последние загрузки
load-number = № { $n }
load-queued = ждёт очереди
load-running = загружается
load-ready = загружена
load-ready-with-errors = загружена, есть отказы
load-held = задержана
load-error = отклонена
load-titled = Загрузка { $n }
load-rejected = { $n ->
    [one] отклонена { $n } запись
    [few] отклонены { $n } записи
   *[many] отклонено { $n } записей
 }
nothing-changed = ничего не изменилось
tills-have-it = На каких кассах она есть
of-tills = { $n } из { $total }
rejects-and-warnings = Отклонения и предупреждения
nothing-rejected = ничего не отклонено
last-deliveries = Последние доставки кассам
sales-explained = Смены: сколько насчитала касса и сколько чеков здесь; сначала новые.
disk-free = Свободно на диске
mib = { $n } МиБ
disk-reserve = приём останавливается ниже { $n } МиБ
none-open = нет
backup-trouble = ошибка
attach-explained = Код подключает машину к сети: по нему она получает настройки и секрет.
to-the-till = К кассе
nav-network = Сеть
level-chain = вся сеть
level-group = группа
level-shop = магазин
node-below = Магазинов: { $shops }. Касс: { $tills }, из них в строю: { $current }.
shop-below = Касс: { $tills }, из них в строю: { $current }.
agents-of-tills = Агенты касс
node-look = { $n ->
    [one] { $n } требует внимания
    [few] { $n } требуют внимания
   *[many] { $n } требуют внимания
 }
show-all-tills = Показать кассы
tree = Группы
groups-and-shops = Группы и магазины
shops = Магазинов
all-in-step = все в строю
nothing-wrong = без замечаний
no-tills-there = без касс
nothing-below = Здесь пока ничего нет.
change-here = Изменить
node-add = Добавить
node-level = Что
node-code = Код
node-parent = Где
node-rename = Переименовать
node-move = Перенести
node-move-under = Куда
node-move-means = Перенос меняет то, что продают кассы: у них будут товары и цены нового места.
node-remove = Удалить
node-remove-ask = Удалить { $node }?
node-has-below = { $n ->
    [one] Ниже { $n } узел: сначала перенесите или удалите его.
    [few] Ниже { $n } узла: сначала перенесите или удалите их.
   *[many] Ниже { $n } узлов: сначала перенесите или удалите их.
 }
till-remove-means = Её секрет сразу теряет силу. Продавать она может и дальше, но её чеки больше не принимаются. Если вместо неё ставят другую машину, выдайте код подключения.
node-remove-means = Данные его слоя остаются в истории, но больше никому не передаются.
import = Загрузить из CSV
import-explained = Строка на узел: уровень (group, shop, till), код, где, название. Сначала узлы, потом то, что под ними; узлы названы как папки: All, group-north, shop-7. До вашего согласия ничего не создаётся.
import-file = Файл
import-table = или сама таблица
import-preview = Показать, что будет создано
import-ask = { $n ->
    [one] Создать { $n } узел?
    [few] Создать { $n } узла?
   *[many] Создать { $n } узлов?
 }
import-do = { $n ->
    [one] Создать { $n } узел
    [few] Создать { $n } узла
   *[many] Создать { $n } узлов
 }
import-done = { $n ->
    [one] Создан { $n } узел
    [few] Создано { $n } узла
   *[many] Создано { $n } узлов
 }
import-counts = Уже есть: { $same }. С ошибкой: { $wrong }.
import-makes = будет создано
import-made = создано
import-same = уже есть
import-wrong = ошибка
import-too-many = За один раз не больше { $n } строк: разделите таблицу.
import-unreadable = это не строка CSV
import-no-level = уровень: group, shop или till
import-no-code = код: от 1 до 20 латинских букв, цифр, - и _
import-no-parent = такого узла нет ни в сети, ни в строках выше
import-wrong-parent = там он быть не может: группы и магазины бывают в сети или в группе, кассы в магазине
import-elsewhere = он есть, но в другом месте: перенесите его
finding-close = Закрыть
finding-note = Примечание: что выяснено
units-chosen = Выбранные
units-drop-ask = { $n ->
    [one] Удалить навсегда { $n } единицу?
    [few] Удалить навсегда { $n } единицы?
   *[many] Удалить навсегда { $n } единиц?
 }
units-none = Не выбрано ничего, что можно удалить.
units-result = Что вышло
choose-unit = Выбрать { $unit }
units-did = { $n ->
    [one] Решено по { $n } единице
    [few] Решено по { $n } единицам
   *[many] Решено по { $n } единицам
 }
units-failed = { $n ->
    [one] Не удалось для { $n } единицы
    [few] Не удалось для { $n } единиц
   *[many] Не удалось для { $n } единиц
 }

## What the server does by itself

task-certificates = Обновить сертификаты
task-backup = Ежедневная резервная копия
task-backup-rehearsal = Проба: распаковать копию и сверить
task-backup-peers = Список касс рядом с копиями
task-reconciler = Доставка кассам того, чего у них нет
task-intake = Загрузка справочников
task-intake-cleaning = Удаление старых файлов и загрузок
task-intake-packing = Сжатие загруженных файлов
task-broker-logins = Учётные записи касс у брокера
task-till-connections = Обрывать соединения касс, чей токен недействителен
task-status-callbacks = Сообщения серверам статусов о загрузках
task-sales-loader = Загрузка продаж в базу
task-sales-checks = Сверка смен, которые ждут документов
task-sales-files = Файлы продаж для учётной системы
task-sales-file-requests = Файлы продаж по запросу
task-old-receipts = Удаление старых чеков
task-old-packages = Удаление ненужных пакетов
task-old-deliveries = Удаление старых доставок и команд
task-old-dictionary = Удаление старых версий справочников
task-old-audit = Удаление старых строк журнала действий
task-goods-names = Читает названия товаров, чтобы находить их по словам
task-watchdog = Сигнал диспетчеру служб, что сервер работает

for-age = уже { $age }

## Продажи: чеки, итоги, повторный запрос
sales-tab-shifts = Смены
sales-tab-receipts = Чеки
sales-tab-totals = Итоги
range-today = Сегодня
range-week = 7 дней
range-month = 30 дней
range-from = С
range-to = По
till-as-typed = Касса, например 7-1
no-shifts-found = Ни одна смена не подходит.
receipts = Чеки
receipts-explained = Сначала новые. Если дни не указаны: неделя по сегодня или по самый новый чек.
receipt = Чек
receipt-number = Номер
ended-at = Время
cashier = Кассир
cashier-code = Код кассира
no-cashier = без кассира
lines = Строк
discount = Скидка
sum = Сумма
payment = Оплата
document-type = Документ
all-documents = Все документы
all-payments = Все оплаты
receipt-sort-sale = Продажи
receipt-sort-refund = Возвраты
receipt-sort-other = Прочие
sum-least = Сумма, не меньше
sum-most = Сумма, не больше
item-code-or-barcode = Товар: код, штрихкод или слова названия
card-ends = Карта, последние цифры
no-receipts-found = Ни один чек не подходит.
receipts-none-yet = До { $at } по часам касс не нашлось: дальше этот поиск не смотрел.
receipts-stopped = Этот поиск смотрел до { $at }.
look-further = Искать дальше →
page-first = ← К первой странице
csv-is-cut = Это не всё: сузьте отбор.
receipts-of-day = Чеки этого дня
receipt-came = Получен { $at }.
receipt-no = № { $n }
shift-number = смена { $n }
receipt-returns = Возврат по чеку { $of }
back-reason = Причина
line-refund = возврат
mark-scanned = марка
receipt-no-lines = Без строк
voided = Сторнировано
sum-before = До скидки
receipt-total = ИТОГО
receipt-total-refund = К ВОЗВРАТУ
vat = НДС
change = Сдача
gift-certificate = Подарочный сертификат
coupon = Купон
payment-failed = Не прошла
customer-card = Карта
fiscal-number = Фискальный номер
fiscal-identifier = Фискальный признак
receipt-names-explained = Названия товаров — те, что на кассе сейчас: в чеке приходят только их коды.
payment-cash = наличные
payment-card = банковская карта
payment-other = оплата вида { $n }
doctype-sale = Продажа
doctype-refund = Возврат
doctype-cash-in = Внесение
doctype-cash-out = Изъятие
doctype-cancelled-refund = Отменённый возврат
doctype-cancelled-sale = Отменённая продажа
doctype-other = Документ вида { $n }
totals = Итоги
totals-explained = Продажи за вычетом возвратов, по часам касс. Если дни не указаны: неделя по сегодня или по самый новый чек.
totals-by = Итоги по
totals-by-day = День
totals-by-hour = Час
totals-by-shop = Магазин
totals-by-till = Касса
totals-by-cashier = Кассир
totals-by-payment = Оплата
chart-of-totals = Продажи за вычетом возвратов
chart-highest = Самый высокий столбец: { $sum }.
sales = Продаж
refunds = Возвратов
sum-of-sales = Сумма продаж
sum-of-refunds = Сумма возвратов
sum-net = За вычетом возвратов
average-sale = Средний чек
totals-all = Всего
no-totals = В эти дни ничего не продано.
show-sales = Продажи
ask-days = Запросить у касс ещё раз
ask-days-explained = Кассы, отобранные выше, передадут все документы этих дней ещё раз. То, что уже здесь, не изменится и не посчитается дважды.
bulk-act-ask-days = Запросить эти дни
bulk-ask-ask-days = { $n ->
    [one] Запросить ещё раз продажи с { $from } по { $to } у { $n } кассы?
    [few] Запросить ещё раз продажи с { $from } по { $to } у { $n } касс?
   *[many] Запросить ещё раз продажи с { $from } по { $to } у { $n } касс?
 }
bulk-means-ask-days = Каждая передаст все завершённые документы этих дней. То, что уже здесь, не изменится и не посчитается дважды.
bulk-did-ask-days = { $n ->
    [one] Эти дни запрошены у { $n } кассы.
    [few] Эти дни запрошены у { $n } касс.
   *[many] Эти дни запрошены у { $n } касс.
 }

## States of tills and deliveries, checks of shifts

condition-trouble = сбой
condition-silent = молчит
condition-never-heard-of = не выходила на связь
condition-behind = отстаёт
condition-current = актуальна
condition-parked = на ремонте
delivery-announced = объявлена
delivery-downloaded = скачана
delivery-queued = в очереди кассы
delivery-applied = загружена
delivery-rejected = отклонена
delivery-expired = просрочена
delivery-superseded = заменена новой
verdict-open = открыта
verdict-waiting = ждём документы
verdict-agrees = сходится
verdict-differs = расхождение
condition-sales-wait = чеки не поступают
sales-wait-refused = сервер не принимает её продажи
sales-wait-tls = не устанавливается TLS
sales-wait-unreachable = сервис продаж недоступен с кассы
sales-wait-interrupted = поток продаж обрывается
sales-wait-documents-locked = documents.db заблокирована
sales-wait-documents-unreadable = documents.db не читается
sales-wait-documents-missing = documents.db пропала
sales-wait-agent = агент не может выгрузить
sales-wait-other = причина указана выше

## What needs a look, and what to do about it

attention-silent = Молчат
todo-silent = Проверьте связь магазина, затем кассу.
attention-trouble = Не получают того, что должны
todo-trouble = Сервер повторит попытку сам; причина указана.
attention-shift = Замечание о смене
todo-shift = Сверьте смену с кассой; документы за день можно запросить: cash-server unload.
attention-load = Загрузки с отказами
todo-load = Исправьте файл и передайте его ещё раз.
attention-finding = Замечание
todo-finding = Разберитесь и закройте замечание.
attention-finding-shift-differs = Смена не сходится
todo-finding-shift-differs = В тексте указано, что не сходится и что поможет. Продажи за день можно запросить снова: cash-server unload.
attention-finding-receipt-conflict = Чек пришёл повторно с другим содержимым
todo-finding-receipt-conflict = Сохранён первый чек. Сверьте оба с фискальным накопителем и закройте замечание.
attention-finding-numbers-again = Номера документов выданы повторно
todo-finding-numbers-again = Все эти чеки сохранены и учтены. Сверьте их с фискальным накопителем и закройте замечание.
attention-finding-document-refused = Документ отложен
todo-finding-document-refused = Исправьте документ в кассовой программе или обновите её, затем повторите его передачу. Замечание закроется само, когда документ будет принят.
attention-finding-shift-refused = Запись смены отложена
todo-finding-shift-refused = Исправьте запись смены в кассовой программе или обновите её, затем повторите передачу. Замечание закроется само, когда придёт верная запись.
attention-finding-shift-changed = Запись закрытой смены изменилась
todo-finding-shift-changed = Замечание закроется само, когда касса, запись смены и сервер сойдутся. Иначе сверьте смену с фискальным накопителем и закройте замечание.
attention-finding-instance-changed = Продажи кассы передаёт другая установка
todo-finding-instance-changed = Так бывает, если кассу установили заново или восстановили. Иначе ищите вторую машину с её настройками. Замечание закроется само, когда сутки продажи передаёт одна машина.
attention-finding-two-machines = Один код кассы на двух машинах
todo-finding-two-machines = Заведите для одной из машин отдельную кассу и перенесите туда её настройки. Замечание закроется само, когда сутки продажи передаёт одна машина.
attention-finding-failed-logins = Вход с неверным токеном
todo-finding-failed-logins = Дайте кассе новый токен (cash-server till settings --new-secret) и перенесите его на кассу или выясните, кто ещё входит под её кодом. Если касса украдена, это адрес, где её машина. Замечание закроется само, когда касса войдёт.
attention-finding-trespass = Касса пытается сделать то, что ей не положено
todo-finding-trespass = Агент так не делает: кто-то пользуется токеном этой кассы, или её агент неисправен. Каждая попытка отклонена. Выясните, кто у кассы; если машины нет на месте, нажмите «Украдена или утеряна», иначе дайте ей новый секрет (cash-server till settings --new-secret). Потом закройте замечание.
attention-finding-spool-damaged = Повреждена часть буфера продаж
todo-finding-spool-damaged = Проверьте диск. Неподтверждённое осталось на кассе; запросите продажи за этот день снова: cash-server unload, затем закройте замечание.
attention-finding-spool-missing = Нет части буфера продаж
todo-finding-spool-missing = Запросите у касс продажи за недостающие дни: cash-server unload, затем закройте замечание.
attention-disk = Диск почти заполнен
todo-disk = Когда свободного места станет меньше резерва, приём остановится: освободите место на диске с данными или увеличьте диск.
attention-sales-database = База продаж не отвечает
todo-sales-database = Продажи ждут в очереди и не потеряны. Посмотрите журнал, проверьте диск и sales.db.
attention-broker = Нет связи с брокером
todo-broker = Проверьте, что RabbitMQ работает и настройки [broker] верны. Сервер повторяет попытки сам; кассы продолжают продавать.
attention-broker-blocked = Брокер не принимает сообщения: мало памяти или места на его диске
todo-broker-blocked = Освободите память или место на машине брокера. После этого обмен продолжится сам.
attention-two-machines = Один код кассы на двух машинах
todo-two-machines = Под этим кодом отчитываются две машины. Заведите для одной из них отдельную кассу и перенесите туда её настройки, затем отметьте как просмотренное.
attention-claimed = Касса называет ревизию, которую здесь не получала
todo-claimed = Ревизию, о которой она сообщает, этот сервер ей не выдавал: диск с кассы другого сервера, или за неё отвечает кто-то другой. Все данные будут переданы ей заново сами. Если это повторится, проверьте машину и обновите агент, затем отметьте как просмотренное. После восстановления этого сервера из резервной копии касса с агентом v0.1 пропускает эти данные: об этом и о том, что делать, сказано в её собственной строке.
attention-went-back = Касса вернулась к старым данным
todo-went-back = Касса восстановлена из старого образа, или заменён диск. Данные обновятся сами; проверьте последние смены и отметьте как просмотренное.
attention-background = Сервер не может выполнить задачу
todo-background = См. страницу «Сервер». Сервер повторяет попытки; если ошибка не проходит, смотрите журнал.
attention-certificate-ends = Сертификат скоро кончится или ещё не начал действовать
todo-certificate-ends = Свои сервер обновляет сам: посмотрите журнал и часы этой машины. Чужой замените в его файлах (tls.cert, tls.key); сервер возьмёт его в течение минуты.
attention-aside = Отложено
todo-aside = Смотрите «Отложено»: повторите или удалите.
attention-aside-unread = Не весь список отложенного читается
todo-aside-unread = Причина указана: проверьте диск и журнал. Список будет прочитан снова сам.
attention-load-refused = Загрузка отклонена
todo-load-refused = Ничего из неё не загружено. Исправьте файл и пришлите снова или решите в разделе «Отложено».
attention-silent-long = Молчат сутки или дольше
todo-silent-long = Проверьте питание, сеть и агента на кассе; на время ремонта отметьте кассу как «на ремонте».
attention-never-heard-of = Не выходила на связь с момента создания
todo-never-heard-of = Установите на кассу агента с её cash.ini (cash-server till settings), посмотрите там sync-agent status или удалите кассу здесь.
attention-stranger = Неизвестный код кассы
todo-stranger = Кто-то отчитывается под кодом, которого нет в сети: исправьте cash.code в его cash.ini или заведите кассу здесь.
attention-notices = Отклонённые записи и предупреждения, которых никто не видел
todo-notices = См. «Отклонённые записи и предупреждения» на странице «Загрузки»: исправьте записи и передайте их ещё раз или отметьте как просмотренные.
attention-reports-queue = Очередь отчётов создана иначе
todo-reports-queue = Отчёты из неё всё равно читаются. Когда удобно, удалите её, как указано; сервер создаст её заново.
attention-dictionary-log = Журнал справочника на кассе растёт
todo-dictionary-log = Программа на кассе читает dictionaries.db и не завершает транзакцию; каждая загрузка увеличивает журнал рядом с файлом. Завершите эту программу на кассе или перезапустите кассовую программу.
attention-forged = Кто-то пишет от имени кассы
todo-forged = От её имени приходят сообщения без её кода, рядом с её собственными. Они ничего не меняют. Выясните, кто пишет брокеру, и смените пароли брокера; если диск кассы мог попасть в чужие руки, дайте кассе новый секрет: cash-server till settings --new-secret и новый cash.ini на кассе.
attention-refused-by-till = Касса получает приказы не от этого сервера
todo-refused-by-till = В них нет кода этого сервера, и касса их не выполняет. Выясните, кто пишет брокеру, и смените пароли брокера. Если среди них и все приказы этого сервера, у кассы другой секрет: дайте ей новый (cash-server till settings --new-secret).
attention-other-secret = Секрет кассы не тот, что у сервера
todo-other-secret = Её сообщения не принимаются: цены на ней остаются прежними, чеки ждут на кассе. Дайте ей новый секрет: cash-server till settings --new-secret, впишите его в её cash.ini и перезапустите агент.
attention-attach-tries = Кто-то подбирает коды подключения касс
todo-attach-tries = За сутки было двадцать попыток от того, кто кода не знает. Они замедляются, ни одного кода не расходуют и ничего не выясняют. Узнайте, кто это; о набранных с ошибкой кодах в журнале тоже есть строки.
attention-password-tries = Кто-то подбирает пароли
todo-password-tries = За сутки двадцать раз кто-то пришёл с неверным паролем или с токеном, которого нет ни у одной кассы. Никого не впустили. Если это не старый пароль в учётной системе или скрипте, выясните, кто это.
attention-versions = Агенты версии, которая не подходит
todo-versions = Вместе работают агенты и серверы соседних младших версий. Обновите то, что старше, сначала сервер.
attention-no-secret = Кассы без секрета
todo-no-secret = В их сообщениях нет кодов: кто может писать брокеру, может им приказывать. Обновите их агенты, затем дайте каждой секрет: cash-server till settings <касса> --new-secret, впишите его в её cash.ini вместо cash.token и перезапустите агент.
attention-plain-open = Порты открыты без TLS
todo-plain-open = Пароли, цены и чеки можно прочитать по дороге. Закройте порт (значение false), когда все, кто им пользуется, перейдут на TLS: кассы переходят сами, кроме касс с агентом v0.1 и касс без секрета.
attention-sales-wait = Чеки с кассы не поступают
todo-sales-wait = Чеки остаются на кассе и не потеряны. Если отклонён токен: cash-server till settings --new-secret и новый cash.ini на кассе. Иначе посмотрите причину на кассе: sync-agent status.
attention-clock-here = Часы большинства касс расходятся с часами сервера одинаково
todo-clock-here = Скорее всего, неверны часы этого сервера: настройте их (ntp). Если они верны, настройте часы касс.
attention-clock-ahead = Часы кассы спешат
todo-clock-ahead = Настройте их. До этого цены, скидки и ограничения продаж, действующие по времени, начинаются и заканчиваются на этой кассе раньше срока, а чеки и смены датируются более поздним временем.
attention-clock-behind = Часы кассы отстают
todo-clock-behind = Настройте их. До этого цены, скидки и ограничения продаж, действующие по времени, начинаются и заканчиваются на этой кассе позже срока, а чеки и смены датируются более ранним временем.
attention-load-held = Загрузка ждёт «да» или «нет»
todo-load-held = Смотрите «Отложено»: что она сделает и кнопки «да» и «нет».
attention-inbox-files = Файлы, которые никогда не будут прочитаны
todo-inbox-files = Они лежат в папке загрузки: дайте им правильные имена, создайте флаг или уберите их.
attention-codes-alike = Коды отличаются только нулями в начале
todo-codes-alike = Люди и таблицы примут их за один. Они остаются как есть: при случае дайте одному из них другой код (новый узел, затем удалите старый).

## Units that were set aside, and what a person does with them

aside-explained = Эти единицы не удалось принять. Всё остальное идёт без них.
aside-what = Что
aside-where = Где
aside-since = Давность
aside-why = Почему
aside-here = этот сервер
aside-package = пакет
aside-document = документ
aside-shift = запись смены
aside-message = сообщение кассе
aside-units = единиц на кассе
aside-report = отчёт кассы
aside-stranger = неизвестный код кассы
aside-load = загрузка
aside-sales = пачка продаж
ordered-retry = отправлено «повторить», ждём кассу
ordered-drop = отправлено «удалить», ждём кассу
retry = Повторить
drop = Удалить
drop-confirm = Удалить навсегда?
drop-warning = Удалённое нельзя вернуть.
aside-held = Задержанная загрузка
held-approve = Выполнить
held-refuse = Отклонить
aside-files = файлы

## error.txt: его читает тот, кто передаёт файлы справочников

error-file = файл: { $file }
error-not-loaded = не загружен: { $why }
error-more-files = … и ещё { $n ->
    [one] { $n } файл не загружен
    [few] { $n } файла не загружены
   *[many] { $n } файлов не загружено
}
error-rejected = отклонено записей: { $n }
error-aside = отложено на сервере: { $file }
error-advice = что делать: { $advice }
error-more = … и ещё { $n }
error-warnings = предупреждений о загруженных записях: { $n }
error-place = строка { $line }, байт { $byte }
error-field = поле `{ $field }`
error-value = значение `{ $value }`

### Причины: у каждого вида, который хранится или передаётся, есть сообщение `why-<вид>`.

## Почему записи отклонены

why-ends-in-record = файл обрывается посреди записи
why-ends-in-separator = файл обрывается посреди строки-разделителя
why-ends-before-line = файл обрывается до закрывающей строки `{ $line }`
why-ends-before-sign = данные обрываются до закрывающей `{ $sign }`
why-foreign-input = { $input ->
    [utf16] данные в UTF-16; запишите их в UTF-8
    [zeros] это не текст: в начале нулевой байт, как у файла, оборванного при отключении питания
    [gzip] данные сжаты gzip; передайте их несжатыми
    [zstd] данные сжаты zstd; передайте их несжатыми
   *[zip] это архив zip; передайте файл из него
}
why-not-an-array = тело запроса не массив команд JSON
why-text-after-array = после конца массива есть текст
why-not-utf8 = не UTF-8: строка { $line }, байт { $byte }
why-not-json = не JSON: строка { $line }, байт { $byte }: { $fault ->
    [no-comma-or-brace] ожидалась `,` или `{"}"}`
    [no-name] ожидалось имя поля в двойных кавычках
    [no-colon] ожидалось `:`
    [no-comma-or-bracket] ожидалась `,` или `]`
    [no-digit] ожидалась цифра
    [no-brace] ожидалась `{"{"}`
    [no-bracket] ожидалась `[`
    [too-deep] слишком глубокая вложенность
    [not-finite] NaN и Infinity не относятся к JSON: опустите поле или запишите null
    [number-too-large] число слишком велико для программ, читающих JSON
    [control] управляющий символ в строке нужно экранировать
    [no-end-of-string] у строки нет конца
    [no-hex-digits] после `\u` ожидались четыре шестнадцатеричные цифры
    [wrong-escape] неверное экранирование в строке
    [half-character] половина суррогатной пары в строке: это не символ
    [twice] поле встречается в объекте дважды (регистр в именах не важен)
    [text-follows] после конца записи есть текст
   *[no-value] ожидалось значение
}
why-record-too-large = запись больше { $max } байт
why-too-many-entries = в списках записи больше { $max } элементов: передайте её по частям
why-field-twice = поле `{ $field }` встречается в объекте дважды (регистр в именах не важен)
why-not-an-object = запись не объект JSON
why-no-command = нет `command`
why-command-not-text = `command` не текст
why-unknown-verb = неизвестная команда `{ $verb }`
why-no-payload = нет объекта `{ $payload }`
why-payload-not-object = `{ $payload }` не объект JSON
why-no-key-field = нет ключевого поля `{ $field }`
why-entry-not-object = ожидался объект
why-no-array-of-objects = поле `{ $field }`: ожидался массив объектов
why-wrong-value = поле `{ $field }`: `{ $value }` не { $expected ->
    [text] текст
    [code] код
    [whole-number] целое число
    [flag] true, false, 0 или 1
    [number] число
    [date] дата ГГГГ-ММ-ДД
    [time] время ГГГГ-ММ-ДДTЧЧ:ММ:СС
    [days-or-time] число дней и не время ГГГГ-ММ-ДДTЧЧ:ММ:СС
   *[value] значение
}
why-too-many-decimals = поле `{ $field }`: у `{ $value }` больше { $digits ->
    [one] { $digits } цифры
   *[other] { $digits } цифр
} после запятой
why-too-many-digits = поле `{ $field }`: у `{ $value }` больше { $digits ->
    [one] { $digits } цифры
   *[other] { $digits } цифр
} до запятой
why-number-too-large = поле `{ $field }`: `{ $value }` слишком велико
why-wrong-days = поле `{ $field }`: `{ $value }` не число дней до { $max }
why-too-long = поле `{ $field }`: в `{ $value }` { $chars ->
    [one] { $chars } символ
    [few] { $chars } символа
   *[many] { $chars } символов
}, допускается не больше { $max }
why-too-many-bytes = поле `{ $field }`: в значении { $bytes ->
    [one] { $bytes } байт
    [few] { $bytes } байта
   *[many] { $bytes } байт
}, допускается не больше { $max }
why-not-a-list = поле `{ $field }`: `{ $value }` не список
why-separator-in-key = поле `{ $field }`: в ключе не может быть U+001F

## Предупреждения о принятых записях

why-entry-rejected = этот элемент не принят, прежнее значение осталось: { $reason }
why-value-left-out = значение пропущено: { $reason }
why-text-cut = в тексте { $chars ->
    [one] { $chars } символ
    [few] { $chars } символа
   *[many] { $chars } символов
}, он обрезан до { $max }
why-controls-taken-out = { $count ->
    [one] удалён { $count } управляющий символ
    [few] удалены { $count } управляющих символа
   *[many] удалено { $count } управляющих символов
}
why-picture-left-out = в картинке { $bytes ->
    [one] { $bytes } байт
    [few] { $bytes } байта
   *[many] { $bytes } байт
}, она пропущена; допускается не больше { $max }
why-negative-price = цена меньше нуля
why-no-name = нет наименования
why-shared-barcode = такой же штрихкод у товара { $other }
why-group-in-itself = группа вложена сама в себя
why-not-deleted = удаление не выполнено: отклонена запись, которая, возможно, добавляла этот объект заново

## Загрузки

why-several = { $reasons }
why-nothing-cleared = некоторые записи не приняты, и хотя бы об одной нельзя сказать, какой объект она добавляла: из этих видов ничего не удалено, хотя загрузка их очищает: { $kinds }
why-deletions-left-out = { $count ->
    [one] { $count } удаление не выполнено
    [few] { $count } удаления не выполнены
   *[many] { $count } удалений не выполнено
}: отклонена запись, которая, возможно, добавляла объект заново; строки этих удалений: { $lines }
why-refused = загрузка отклонена целиком: { $reason }
why-refused-for-encoding = загрузка отклонена целиком: { $reason }
why-refused-at-first-reject = загрузка отклонена целиком из-за первой же неверной записи (так задано в настройках)
why-damaged-input = файл в { $encoding }, но повреждён или обрывается на байте { $byte }: запишите его заново
why-other-encoding = файл не в UTF-8, похоже, что это { $looks_like } (видно по байту { $byte }): запишите его в UTF-8 или укажите кодировку в настройках сервера (intake.encoding)
why-not-its-encoding = файл не в { $encoding }, как указано в настройках сервера (intake.encoding), похоже, что это { $looks_like } (видно по байту { $byte }): исправьте одно или другое
why-unknown-encoding = файл не в { $encoding } и ни в одной кодировке, которую сервер узнаёт по байтам (видно по байту { $byte }): запишите его в UTF-8
why-held = задержана, ничего не изменено: { $reasons }. Если так и задумано, подтвердите: `cash-server loads approve { $load }`, кнопкой на странице сервера или словом `approve` во флаге новой передачи; тот же файл ещё раз ничего не изменит
why-would-delete = из { $before } объектов { $objects } { $deleted ->
    [one] был бы удалён { $deleted }
   *[other] было бы удалено { $deleted }
}
why-would-delete-more = столько же было бы удалено ещё из { $kinds ->
    [one] { $kinds } вида
   *[other] { $kinds } видов
}
why-too-many-rejects = из { $records } записей не { $rejected ->
    [one] принята { $rejected }
    [few] приняты { $rejected }
   *[many] принято { $rejected }
}
why-some-rejected = некоторые записи не приняты, остальные загружены
why-some-warned = все записи загружены, о некоторых есть предупреждения
why-no-room = на диске { $folder } свободно { $free } байт: нужно { $need }, и { $reserve } остаются в резерве (server.disk_reserve_mib); освободите место, сервер продолжит сам
why-never-room = на диске { $folder } всего { $size } байт, из них { $reserve } остаются в резерве (server.disk_reserve_mib): { $need } не поместятся никогда
why-kills-server = сервер не пережил { $starts ->
    [one] { $starts } загрузку
    [few] { $starts } загрузки
   *[many] { $starts } загрузок
} этого файла
why-defect = этот файл выявил ошибку сервера; подробности в его журнале
why-unreadable = файл данных не читается: { $detail }
why-rewritten = файл изменён или заменён во время чтения
why-interrupted = прервано: { $detail }
why-database-refuses = база данных сервера не принимает это: { $detail }
why-database-fails = база данных сервера не работает: { $detail }
why-wrong-flag = флаг не читается: { $detail }
why-no-data-file = флаг есть, а файла данных с тем же именем нет
why-still-written = файл данных ещё писали через { $seconds ->
    [one] { $seconds } секунду
    [few] { $seconds } секунды
   *[many] { $seconds } секунд
} после появления флага
why-tried-again = { $reason }; будет ещё { $times ->
    [one] { $times } попытка
    [few] { $times } попытки
   *[many] { $times } попыток
}
why-node-is-gone = { $node } больше нет в сети
why-not-put-aside = { $reason }; отложить тоже не удалось, загрузка ждёт: смотрите журнал сервера
why-written-on = в файл дописали после того, как он был загружен (загрузка { $load }) и удалён; дописанное не загружено; файл сохранён целиком
why-written-on-and-lost = в файл дописали после того, как он был загружен (загрузка { $load }) и удалён; дописанное не загружено и не сохранено: { $detail }
why-vanished = файл или флаг исчез до загрузки: ничего не изменено
why-report-lost = сервер остановился до завершения отчёта; что было отклонено, неизвестно
why-carried-out = выполнена как загрузка { $load }
why-replaced = не выполнена: загрузка { $load } новее и начинается с той же команды { $clears }
why-handed-over-anew = не выполнена: её файл передан заново
why-refused-by-person = отклонена человеком

## Папки загрузки и что в них лежит

why-folder-of-two = такое имя папки у двух узлов; задайте им другие папки в настройках intake.folders, по их кодам
why-folder-of-gone-node = в настройках она отдана узлу { $node }, которого нет в сети
why-inbox-itself = файлы кладут в одну из её папок: All для всей сети, group-<код>, shop-<код> или till-<магазин>-<код>
why-folder-of-nobody = в сети нет узла с папкой `{ $folder }`: заведите узел или положите файл в папку другого; файл загрузится, как только узел появится
why-no-flag = файл данных без флага не читается: создайте флаг (`pos1.flz` для `pos1.aif`) или удалите файл
why-no-data = флаг без файла данных: запишите файл данных и создайте флаг заново или удалите то, что осталось
why-other-name = читаются только файлы данных `pos….aif` и их флаги `pos….flz`: переименуйте файл или уберите его
why-no-node = папка не принадлежит ни одному узлу сети

## Что может сделать тот, кто передал файл

why-free-space = освободите место на диске сервера; файл данных и флаг не трогайте, они загрузятся сами
why-close-before-flag = закрывайте файл данных до создания флага
why-look-at-server = проверьте журнал сервера и его диск; файл данных и флаг не трогайте, они загрузятся, как только база их примет
why-hand-over-in-parts = передайте файл по частям или поставьте серверу диск больше, затем создайте флаг заново
why-ask-support = передайте файл тем, кто сопровождает сервер
why-ask-support-or-correct = передайте файл тем, кто сопровождает сервер; пришлите исправленный
why-rename-then-flag = пишите файл данных под другим именем, переименуйте, затем создайте флаг; после этого ничего в него не пишите
why-give-rights = дайте пользователю сервера право читать файл и писать в его папку, затем создайте флаг заново
why-look-whether-whole = проверьте, целый ли файл: передайте целый или подтвердите загрузку; до этого он остаётся под своим именем
why-correct-and-flag = исправьте файл и создайте флаг заново; до этого файл остаётся под своим именем и не загружен
why-correct-records = исправьте названные здесь записи и передайте файл ещё раз; то, что уже верно, второй раз не отправляется
why-right-folder = перенесите файл данных и флаг в нужную папку или удалите их
why-plain-flag = создайте флаг обычным пустым файлом
why-data-before-flag = сначала пишите файл данных, потом флаг: `pos1.aif`, затем `pos1.flz`
why-write-under-other-name = закрывайте файл данных до создания флага и больше ничего в него не пишите; посмотрите, что сохранено, затем загрузите командой `cash-server aside retry` или удалите

## Отложенное

why-unnamed = касса { $units ->
    [one] её не называет
   *[other] их не называет
}
why-no-till-of-ours = { $till } нет в этой сети; отчётов: { $reports }

## Замечания о продажах

why-shift-differs = смена { $shift } не сходится: { $reasons }; { $advice }
why-receipt-conflict = чек { $number } смены { $shift } пришёл повторно с другим содержимым; сохранён первый: сверьте оба с фискальным накопителем и закройте замечание
why-numbers-again = номер документа { $number } смены { $shift } выдан повторно другому документу: касса восстановлена из старого образа, или кассовая программа начала счёт заново; все эти чеки сохранены и учтены: сверьте с фискальным накопителем и закройте замечание
why-document-refused = документ { $number } смены { $shift } отложен: { $detail }; когда кассовая программа или обновление это исправит, повторите передачу отложенного на кассе: замечание закроется, когда документ будет принят
why-record-refused = запись отложена: { $detail }; когда кассовая программа или обновление это исправит, повторите передачу отложенного на кассе: замечание закроется, когда документ будет принят
why-shift-refused = запись смены { $shift } отложена: { $detail }; когда кассовая программа или обновление это исправит, повторите передачу отложенного на кассе: верная запись закроет замечание
why-shift-changed = запись смены { $shift }, закрытой { $closed }, пришла повторно с другими итогами: продаж было { $sales_before } на { $sale_sum_before }, теперь { $sales } на { $sale_sum }; возвратов было { $refunds_before } на { $refund_sum_before }, теперь { $refunds } на { $refund_sum }; принята новая запись: замечание закроется само, когда касса, запись и сервер сойдутся; иначе сверьте с фискальным накопителем и закройте его
why-instance-changed = у агента кассы новое состояние (установка { $instance } после { $before }): его установили заново, восстановили, или его настройки скопированы на вторую машину; если первого не было, ищите вторую машину; замечание закроется само, когда сутки продажи передаёт одна машина
why-two-machines = под кодом кассы одновременно работают две машины (установки { $instance } и { $refused }); второй отказано: заведите для одной из них отдельную кассу и перенесите туда её настройки; замечание закроется само, когда сутки продажи передаёт одна машина
why-failed-logins = неверный токен этой кассы, с запуска сервера { $times ->
    [one] { $times } раз
    [few] { $times } раза
   *[many] { $times } раз
}, последний с { $from }; пока токен неверен, её чеки не поступают: дайте ей новый (`cash-server till settings { $till } --new-secret`) и перенесите `cash.token` на кассу или выясните, кто ещё входит под её кодом
why-till-at-administration = её токен предъявлен там, куда входят только администраторы, с запуска сервера: { $times }, последний раз с { $from }
why-till-in-others-name = её токен предъявлен от имени { $other }, с запуска сервера: { $times }, последний раз с { $from }
why-till-out-of-place = её токен предъявлен там, где кассе нечего спрашивать, с запуска сервера: { $times }, последний раз с { $from }
why-till-broke-protocol = её передача продаж оборвана из-за нарушения протокола ({ $detail }), с запуска сервера: { $times }, последний раз с { $from }
why-till-floods = за минуту она отчиталась больше { $most } раз, и брокер на минуту закрыт для неё; с запуска сервера: { $times }
why-batch-aside = пачка продаж не загрузилась и отложена, её можно вернуть: { $detail }
why-spool-cut = последние { $bytes ->
    [one] { $bytes } байт
    [few] { $bytes } байта
   *[many] { $bytes } байт
} буфера продаж не были целой записью при запуске сервера и лежат в его папке `aside`: после отключения питания это то, что не было подтверждено; иначе диск что-то потерял, и продажи за этот день нужно запросить у касс снова
why-spool-damaged = { $bytes ->
    [one] { $bytes } байт буфера продаж повреждён
    [few] { $bytes } байта буфера продаж повреждены
   *[many] { $bytes } байт буфера продаж повреждено
} на диске и лежит в его папке `aside`: чеков может не хватать; запросите у касс продажи за этот день снова
why-spool-missing = база продаж загружена до места { $loaded } буфера, а буфер начинается с { $begins }: база потеряна или возвращена из резервной копии, или файлы буфера удалены; то, что ещё есть на кассах, придёт при следующей сверке, или запросите у них эти дни

## Сверка смен

why-among-three = { $measure ->
    [sales] продаж
    [refunds] возвратов
    [sale_sum] сумма продаж
    [refund_sum] сумма возвратов
    [documents] документов
   *[unfinished] незавершённых документов
}: касса { $till }, запись смены { $recorded }, сервер { $server } ({ $by })
why-among-two = { $measure ->
    [sales] продаж
    [refunds] возвратов
    [sale_sum] сумма продаж
    [refund_sum] сумма возвратов
    [documents] документов
   *[unfinished] незавершённых документов
}: касса { $till }, сервер { $server } ({ $by })
why-on-till = { $measure ->
    [sales] продаж
    [refunds] возвратов
    [sale_sum] сумма продаж
    [refund_sum] сумма возвратов
    [documents] документов
   *[unfinished] незавершённых документов
}: касса { $till }
why-numbers-missing = { $count ->
    [one] не хватает { $count } номера документа
   *[other] не хватает { $count } номеров документов
}: { $numbers }
why-numbers-twice = номера использованы дважды: { $numbers }
why-left-open = она всё ещё открыта, и уже { $hours } ч из неё ничего не приходит
why-without-record = её документы { $numbers } пришли без записи смены
why-ask-for-record = они сохранены, учтены и переданы как есть; запросите у кассы продажи за этот день снова: с ними придёт запись смены и закроет замечание
why-close-shift = её документы сохранены, учтены и переданы как есть; если касса на месте, закройте смену на ней; если её больше нет, закройте замечание вручную
why-ask-for-receipts = посмотрите на странице и в `sync-agent status`, что держит её чеки на кассе, и запросите у кассы продажи за этот день снова; замечание закроется само, когда всё сойдётся
why-finish-documents = завершите или отмените открытые документы на кассе; замечание закроется само, когда они придут
why-compare-numbers = касса восстановлена из старого образа, или кассовая программа начала счёт заново: сверьте с фискальным накопителем и закройте замечание
why-compare-missing = документов с этими номерами на кассе нет: сверьте с фискальным накопителем и закройте замечание
why-compare-record = все чеки кассы здесь: сверьте запись кассовой программы с фискальным накопителем и закройте замечание

## Чего ждут кассы и чем заканчиваются доставки и команды

why-up-to-date = справочник актуален
why-parked = на ремонте, справочник актуален
why-parked-behind = на ремонте, отстаёт
why-on-its-way = { $state ->
    [announced] объявлена
    [downloaded] скачана
    [queued] в очереди кассы
   *[other] { $state }
}; повторится, если до { $until } ничего не будет слышно
why-no-answer = нет ответа со времени отправки ссылки { $since }; новое будет отправлено, когда касса выйдет на связь, или в { $until }
why-rejected-by-till = отклонена кассой ({ $reason }); повтор в { $until }
why-rejected-unsaid = отклонена кассой; повтор в { $until }
why-still-differs = на кассе эта ревизия, всё было передано целиком, а записи всё равно отличаются от сервера: проверьте, подходят ли друг другу версии агента и сервера; повтор в { $until } или со следующей загрузкой
why-nothing-for-it = на кассе есть справочник, а на этом сервере для неё ничего нет: загрузите справочник или восстановите сервер из резервной копии
why-about-to-announce = пакет вот-вот будет объявлен
why-waits-for-broker = ждёт брокера: сейчас ей ничего нельзя передать
why-broker-down = ждёт брокера: сейчас ей ничего нельзя передать ({ $reason })
why-calls-too-often = за несколько минут запросила больше { $packages } пакетов; проверьте машину
why-no-decision = сервер не может решить, что для неё делать
why-passes-over = её агент пропускает то, что должно заменить ревизию { $claimed }, которую этот сервер ей не выдавал: обновите агент или, если сервер восстановлен из резервной копии, продолжите после этой ревизии: `cash-server till go-past { $till } { $claimed }`
why-seen-by-cursor = видно по ревизии кассы
why-ended-by-parking = касса на ремонте
why-nothing-needed = кассе больше ничего не нужно
why-nothing-heard = до срока ничего не было слышно
why-newer-delivery = заменена новой доставкой
why-new-secret = касса с тех пор получила новый секрет
why-names-nothing = ничего не названо: того, чего человек не видел, не удаляют
why-no-answer-in-time = до срока не было ответа

## `cash-server setup`

setup-ask-host = Имя или адрес, по которому кассы находят этот сервер (пусто: адрес, которым пользуется эта машина)
setup-ask-name = Название этого сервера для людей
setup-ask-admin = Администратор страницы
setup-settings = Настройки: { $file }
setup-broker = На брокере заведён пользователь для сервера; каждой кассе сервер сам заводит там учётную запись.
setup-broker-tls = Кассы соединяются с брокером по TLS, порт { $port }. Его порт без TLS открыт только для этой машины.
setup-broker-plain = Кассы соединяются с брокером по TLS, порт { $port }. Его порт без TLS, { $plain }, открыт, как раньше, для касс, которые подключены до этого: когда все перейдут на TLS, его закроет cash-server broker setup --close-plain.
broker-setup-by-hand = От root на машине брокера; где спрашивают пароль, это первая строка { $file }:
setup-backup-key = Ключ, который открывает резервные копии, показан один раз: { $key }. Храните его отдельно от этой машины: без него их никто не откроет. (`cash-server backup key` печатает его, пока эта машина жива.)
setup-page = Страница: { $page } Логин и первый пароль: { $file } Если пароль забыт: cash-server user password <логин>
setup-start = Запустите сервер сами: здесь нет systemd.

## Базы данных сервера

why-database-not-opened = база { $place } не открывается: { $detail }
why-database-newer = у базы { $place } версия { $found }, эта программа знает версии до { $known }: обновите cash-server или верните резервную копию, сделанную до обновления
why-database-not-ours = у этого пользователя нет права писать в базу { $place }: запустите от имени { $owner }, чей это файл ({ $detail })
why-database-damaged = база { $place } повреждена ({ $detail }): остановите сервер и верните её из резервной копии; packages.db можно убрать, сервер создаст её заново
why-database-full = на диске базы { $place } нет места: освободите его, сервер продолжит сам ({ $detail })
why-database-takes-not = база { $place } не принимает данные: { $detail }
why-database-unreadable = значение в базе { $place } не читается: { $detail }
why-database-query-failed = база { $place } не работает: { $detail }
why-database-corrupt = в базе { $place } не то, что должно быть: верните её из резервной копии ({ $reason })

## Изменения сети

why-unknown-node = в сети нет узла `{ $text }`: список узлов показывает `cash-server node list`
why-wrong-level = { $level ->
    [chain] сеть
    [group] группа
    [shop] магазин
   *[till] касса
} (код { $code }) не может входить в { $parent }: группы и магазины входят в сеть или в группу, кассы — в магазин
why-node-in-itself = { $node } нельзя перенести в { $parent }: он сам входит в { $node }; сначала вынесите { $parent }
why-code-taken = код { $code } занят: он у { $by }; выберите другой код или сначала удалите { $level ->
    [chain] ту сеть
    [group] ту группу
    [shop] тот магазин
   *[till] ту кассу
} ({ $level ->
    [till] коды касс не повторяются в магазине
   *[other] коды магазинов и групп не повторяются в сети
})
why-wrong-code = `{ $code }` не годится как код нового узла: от 1 до { $max } латинских букв, цифр, `-` и `_`
why-code-alike = код { $code } отличается от кода { $by } только нулями в начале, их примут за один и тот же: выберите другой код или пользуйтесь тем узлом
why-node-has-children = в { $node } { $children ->
    [one] входит { $children } узел
    [few] входят { $children } узла
   *[many] входит { $children } узлов
}: сначала перенесите или удалите их
why-chain-stays = { $node } — вся сеть, корень дерева: его нельзя удалить
why-wrong-name = `{ $name }` не годится как название узла: не больше { $max } знаков, без переводов строки
why-load-under-way = идёт загрузка, которую нельзя прервать, а перенос её ждёт: повторите через несколько секунд
why-too-many-codes = хранится { $max } кодов подключения касс, больше нельзя: подождите, пока старые забудутся
why-wrong-code-life = код годен от 1 до { $max } часов
why-attach-needs-tls = кассы подключаются только по TLS 1.3
why-attach-versions = версия агента { $own }, этого сервера { $server }: вместе работают только соседние младшие версии; обновите то, что старше, сначала сервер
why-attach-slow-down = с этого адреса было много попыток: подождите { $seconds } с
why-attach-wrong-proof = это доказательство не принято
why-attach-other-till = код выдан для { $till }, а с ним пришла { $own }
why-attach-till-gone = касса, для которой выдан код, удалена: запросите новый код
why-attach-till-password = файл broker.till_password_file не читается: { $detail }
why-attach-code-used = код уже использован, { $at }: запросите новый
why-attach-code-ended = срок кода вышел { $at }: запросите новый
why-code-used-now = код только что использован или отменён

## Что запросили, но сделать нельзя

why-may-not = { $actor } не имеет на это права
why-may-not-there = { $actor } не имеет на это права в { $node }
why-no-till = { $node } не касса: укажите кассу по её id или как till-<магазин>-<код>
why-only-tills-park = { $node } не касса: на ремонт ставят только кассы
why-no-shop = { $node } не магазин: укажите магазин по его id или как shop-<код>
why-unknown-kind = вида `{ $objects }` нет; виды описаны в docs/formats/kinds.md
why-unknown-load = загрузки { $load } нет, или она старше, чем загрузки хранятся
why-unknown-good = товара с кодом `{ $code }` нет: найдите его по штрихкоду или названию
why-unknown-change = ревизия { $revision } ничего из известного о товаре `{ $code }` не меняла
why-no-open-finding = открытого замечания { $finding } нет
why-no-receipt = чека { $receipt } нет: он не пришёл или удалён за давностью
why-too-many-tills-at-once = за один раз можно выбрать не больше { $max } касс: сузьте выбор, остальные потом
why-too-many-codes-at-once = за один запрос можно получить не больше { $max } кодов: запросите остальные отдельно
why-peer-key-not-kept = ключ сообщений кассы не записать: запросите новый секрет ещё раз ({ $detail })
why-object-unreadable = объект справочника не читается: { $detail }
why-object-not-written = объект справочника не записать: { $detail }
why-no-node-of-dictionary = узла { $node } нет в сети
why-unknown-till = кассы { $till } нет в сети
why-nothing-named = на { $till } не удаляют то, что не названо: чего человек не видел, то остаётся
why-not-claimed = { $till } не называет ревизию { $revision }, которую ничто не подтверждает: посмотрите её `claimed_cursor` ещё раз
why-no-dictionary-for-till = на этом сервере нет справочника для { $till }: загрузите его или верните резервную копию, где он есть
why-too-far-past = ревизия { $revision } слишком далеко за ревизией { $head } этого сервера, столько не теряет ни одна резервная копия: обновите агента кассы или установите кассу заново
why-command-not-written = команду не записать: { $detail }
why-exchange-cut-off = сервер прервал это: повторите
why-control-in-cash-ini = в { $key } файла cash.ini кассы есть управляющий символ: исправьте настройки сервера
why-cash-ini-not-written = файл cash.ini кассы не записать: { $detail }

## Повтор и удаление отложенного

why-not-aside = { $id } не отложено (или уже не отложено)
why-drops-by-name = { $id } не называет ничего: отложенное удаляют по именам, касса называет их по мере того, как решены прежние
why-only-beginning-kept = от { $id } хранится только начало, целиком это слишком длинно: можно только удалить
why-settled-by-hand = { $id }: с файлами в папке загрузки разбираются на месте: дайте им правильные имена или удалите
why-sales-apart = продажи загружает отдельный процесс: с тем, что он отложил, здесь ничего не сделать
why-load-not-aside = загрузка { $load } не из тех, что отклонены и хранятся
why-load-file-gone = файла загрузки { $load } больше нет: { $file }
why-load-without-node = узла { $node }, для которого была загрузка { $load }, больше нет в сети
why-load-is-held = загрузка { $load } задержана: выполните её командой `cash-server loads approve { $load }` или отклоните
why-load-not-held = загрузка { $load } не задержана (или уже не задержана)
why-load-held-too-long = загрузка { $load } задержана так давно, что неизвестно, что новее её: передайте новый файл
why-no-room-for-load = загрузка { $load } ждёт места: { $reason }
why-load-not-settled = файл загрузки { $load } не скопировать или не удалить: { $detail }
why-sales-not-aside = под именем { $unit } ничего не отложено: это уже вернули или удалили, или старое уступило место
why-sales-damaged = { $unit } — не целая пачка, её повредил диск: можно только удалить; запросите у касс продажи за этот день снова
why-sales-not-put-back = { $unit } вернуть не удалось, она остаётся отложенной: { $reason }
why-sales-loader-ends = сервер останавливается или сломался; повторите позже

## Почему отклонены документы касс; поля названы как в sales.proto

why-document-without-key = у документа нет ключа
why-document-of-no-till = касса в ключе документа названа неверно
why-document-without-uuid = в UUID документа { $bytes ->
    [one] { $bytes } байт
    [few] { $bytes } байта
   *[many] { $bytes } байт
} вместо 16
why-document-of-no-shift = время открытия смены документа — не время
why-document-of-other-till = документ кассы { $till } пришёл от кассы { $stream }
why-document-number-too-large = `{ $field }` { $value } больше { $max }
why-amount-beyond-belief = `{ $field }` { $value } выходит за ±{ $max }
why-too-many-parts = `{ $parts }`: { $count }, принимается не больше { $max }
why-text-too-long = в `{ $field }` { $bytes } байт, принимается не больше { $limit }
why-not-a-time = `{ $field }` `{ $value }` — не время ГГГГ-ММ-ДДTЧЧ:ММ:СС

## Почему отложены отчёты касс и части буфера продаж

why-not-a-report = это не отчёт: { $detail }
why-newer-report = в отчёте { $peer } версия { $schema }, этот сервер её не знает: обновите сервер
why-unknown-report = { $peer } шлёт отчёт вида `{ $sort }`, этот сервер его не знает: обновите сервер, потом повторите
why-report-too-large = в сообщении { $bytes } байт, в самом большом отчёте { $max }
why-report-of-shop = отчёт сервера { $shop }: этот сервер принимает отчёты только касс
why-report-without-code = хранится без кода, и неизвестно, от { $peer } ли это: следующий отчёт скажет то же
why-report-stumbled-over = отчёт { $till } выявил ошибку этого сервера
why-wrong-checksum = контрольная сумма в буфере продаж не сходится: диск вернул не то, что было записано
why-torn-tail = оборванный конец: он записывался, когда сервер остановился
why-batch-unreadable = это не читается как пачка продаж: { $detail }
why-batch-of-nobody = касса и магазин названы неверно: `{ $till }`, `{ $shop }`
why-batch-ended-server = каждый раз, загружая это, сервер падал: { $times ->
    [one] { $times } раз
    [few] { $times } раза
   *[many] { $times } раз
}
why-batch-refused = не удалось с { $times } попыток: { $reason }
why-loading-panicked = загрузка продаж оборвалась ({ $said }); это ошибка сервера

## Что у сервера не получается

why-package-for-nobody = кассы { $till } нет в сети: её удалили, или у её агента код кассы другого сервера
why-package-not-built = пакет для { $till } до ревизии { $to } не собрать: { $detail }
why-package-inconsistent = пакет для { $till } не собрать: журнал справочника не сходится со слоем; верните dictionary.db из резервной копии ({ $reason })
why-dictionary-restless = справочник снова и снова менялся, пока готовился пакет для { $till }; будет ещё попытка
why-no-room-for-package = пакет для { $till } сейчас не собирается: { $reason }
why-package-files = файлы пакетов не прочитать или не записать: { $detail }
why-spool-in-use = буфер продаж { $path } занят другим процессом
why-spool-newer = у части { $path } буфера продаж версия { $version }, эта программа читает версии до { $supported }: обновите её
why-spool-aside-full = { $path } переполнена пачками, которые не загрузились ({ $units }, всего { $bytes } байт): верните их или удалите на странице или командой `cash-server aside`; до этого больше ничего не загружается
why-spool-fails = буфер продаж { $path } не прочитать или не изменить: { $detail }
why-spool-full = буфер продаж сервера заполнен: { $bytes } из { $limit } байт ждут базу; повторите позже
why-no-room-for-spool = диск буфера продаж сервера почти заполнен: свободно { $free } байт, из них { $needed } остаются для принятого раньше; освободите место, и продажи снова будут приниматься
why-batch-too-large = пачка в { $bytes } байт больше допустимого
why-spool-not-written = буфер продаж сервера не записать: { $detail }
why-handover-fails = продажи не выгрузить в { $path }: { $detail }
why-handover-not-written = продажи кассы { $till } не записать в JSON: { $detail }
why-no-thread-to-pack = нет потока для сжатия: { $detail }
why-not-packed = сохранённый файл не сжать: { $detail }
why-packing-panicked = сжатие оборвалось; это ошибка сервера, подробности в его журнале
why-old-files-stay = старые файлы не удалить: { $detail }
why-cleaning-fails = { $faults }

## Связь с брокером

why-broker-unconnected = нет связи с брокером
why-broker-silent = брокер не ответил за { $seconds } с
why-broker-queue-full = брокер не принял сообщение для { $queue }: очередь заполнена
why-broker-blocks = брокер не принимает сообщения: { $reason }
why-broker-without-queue = у брокера нет очереди { $queue }
why-broker-refuses-queue = брокер отказывает в очереди { $queue } ({ $detail }); если она создана с другими параметрами, удалите её (`rabbitmqctl delete_queue { $queue }`), и сервер создаст её заново
why-broker-of-other-server = в виртуальном хосте { $vhost } этого брокера работает другой сервер: { $other } (этот: { $own }). Они забирали бы отчёты друг у друга: дайте этому серверу свой виртуальный хост (broker.vhost). Если другого больше нет, удалите его метку (`rabbitmqctl delete_queue --vhost { $vhost } { $queue }`), и этот продолжит сам
why-broker-management-password-unread = файл с паролем для интерфейса управления брокера не читается: { $detail }
why-broker-management-silent = интерфейс управления брокера { $url } не отвечает: { $detail }; включён ли плагин rabbitmq_management?
why-broker-management-refuses-password = интерфейс управления брокера не принимает пароль пользователя { $user } из { $file }
why-broker-management-refuses-user = интерфейс управления брокера не принимает пользователя { $user }: `rabbitmqctl set_user_tags { $user } administrator` позволит ему заводить учётные записи касс
why-broker-management-refuses = интерфейс управления брокера отклоняет { $path } с кодом { $status }: { $said }
why-broker-password-unread = файл с паролем брокера не читается: { $detail }
why-broker-authority-unread = не читается файл тех, кто мог подписать сертификат брокера (broker.authority): { $detail }
why-broker-fails = сбой брокера или связи с ним: { $detail }
why-broker-session-ended = сеанс с брокером завершился
why-server-stops = сервер останавливается
why-broker-ended-consumer = брокер прекратил передачу отчётов
why-broker-session-panicked = сеанс с брокером оборвался; это ошибка сервера, подробности в его журнале
why-consumer-not-counted = отчёты больше не поступают: брокер не видит получателя очереди
why-reports-held-back = отчёты больше не поступают: они ждут в очереди, а брокер их не передаёт
why-broker-needs-password = брокер не пускает пользователя { $user } без пароля: укажите файл с паролем (broker.password_file)
why-broker-refuses-password = брокер не пускает пользователя { $user } с паролем из первой строки { $file }: исправьте одно из двух (broker.password_file); пароль у брокера задаёт `rabbitmqctl change_password { $user } …`
why-broker-refuses-vhost = пользователя { $user } не пускают в виртуальный хост { $vhost } (broker.vhost, broker.user): { $detail }
why-broker-not-there = по адресу { $host }:{ $port } нет брокера (broker.host, broker.port): { $detail }

## Запросы, на которые нельзя ответить

why-no-credentials = нужны логин и пароль или ключ; логин и пароль первого администратора записаны на сервере в файле credentials/admin
why-from-other-site = браузер отправил это с другого сайта: ничего не сделано
why-nobody-asks = неизвестно, кто спрашивает
why-other-user = `{ $user }` не имеет на это права: сделайте это от имени root или `{ $owner }`, под которым работает сервер
why-wrong-token = это не токен кассы { $till }: запишите в cash.secret её cash.ini тот, что был выдан с кассой, или сделайте новый
why-package-needs-token = пакеты получают только кассы: покажите токен кассы или запросите по полной ссылке, которую касса получила
why-package-of-another = это ссылка другой кассы, другого пакета или другого сервера: касса получает то, что объявлено ей
why-link-over = срок этой ссылки истёк: касса получит другую, если она не на ремонте
why-no-till-id = `{ $text }` — не id кассы: он выглядит как `_cash_<код>_<8 шестнадцатеричных цифр>`
why-long-nonce = nonce длиннее { $max } символов
why-no-level = `{ $text }` — не уровень: бывает group, shop или till
why-no-code = `{ $text }` — не код узла: в нём от 1 до 32 латинских букв, цифр, `-`, `_` или `.`
why-no-verdict = `{ $text }` — не итог сверки: бывает open, waiting, ok или differs
why-no-totals-by = итоги бывают по day, hour, shop, till, cashier или payment, а не по `{ $text }`
why-no-such-filter = `{ $text }` не читается как { $filter }: дни — ГГГГ-ММ-ДД, время — ГГГГ-ММ-ДДTЧЧ:ММ, суммы — 99.90, номера — цифры
why-names-no-notices = перечислите номера в `ids` или задайте в `up_to`, до какого номера
why-names-no-units = назовите в `units` от 1 до { $max } имён
why-names-nothing-aside = `{ $text }` не называет ничего отложенного: возьмите имя из списка
why-since-or-days = задайте `since`, или `from` и, если нужно, `to`, или ничего
why-only-tls = с других машин этот порт принимает запросы только по TLS: используйте https://; если пока нельзя, порт открывает настройка { $setting } = true
why-cut-off = сервер прервал это; подробности в его журнале ({ $detail })

## Что сделано с отложенным

why-till-was-told = отправлено кассе
why-tried-once-more = попытка повторена
why-queued-as-load = поставлено в очередь как загрузка { $load }
why-dropped = удалено

## Товары

goods-explained = Найдите товар по штрихкоду, коду или словам названия.
goods-find = Штрихкод, код или название
goods-find-do = Найти
goods-behind = Названия новых товаров ещё читаются: по словам пока найдутся не все. По штрихкоду и коду находятся все.
goods-cut = Это не всё: ищите точнее.
goods-none = Товаров ещё не загружали.
goods-none-found = Ничего не найдено. Меньше слов или начало слова найдут больше.
good-code = Код
good-with-code = Код { $code }
good-sold = { $tills ->
    [one] Продаётся на { $tills } кассе
   *[many] Продаётся на { $tills } кассах
 } { $shops ->
    [one] в { $shops } магазине.
   *[many] в { $shops } магазинах.
 }
good-not-sold = Ни одна касса его не продаёт.
good-stale = { $n ->
    [one] На { $n } кассе ещё старая цена.
   *[many] На { $n } кассах ещё старая цена.
 }
good-unknown = { $n ->
    [one] Про { $n } кассу неизвестно, что на ней.
    [few] Про { $n } кассы неизвестно, что на них.
   *[many] Про { $n } касс неизвестно, что на них.
 }
show-them = Показать
barcodes = Штрихкоды
price = Цена
price-now = Цена сейчас
price-by = Откуда
price-where = Где
price-coming = Будущие цены
price-none-coming = Других цен на потом неизвестно.
price-from = Цена от
price-to = Цена до
price-from-time = Действует с
price-dates = Действует
price-until = до { $until }
priced-by-item = товар
priced-by-barcode = штрихкод
priced-by-document = цена по документу
document-of-type = документ { $number }, тип { $sort }
good-layers = Что говорит каждый слой
good-layers-explained = Решает самый глубокий слой, который что-то говорит. Из цен по документам цена штрихкода важнее цены товара, затем важнее больший тип, затем более поздняя дата.
says = Что говорит
loaded-at = Загружено
wins-on-tills = Касс продаёт по ней
price-history = Все изменения цены
price-old = Цена до
price-new = Цена после
price-brought-by = Чем изменено
price-changes-newest = Новые изменения
price-changes-older = Более старые изменения
price-no-changes = Изменений цены не известно.
price-history-cut = Более старые изменения не показаны.
at-once = сразу
tills-have-change = Есть на кассах
change-on-tills = Кассы с изменением ревизии { $revision }
till-has-since = есть с { $at }
till-has-it = есть
till-has-not = ещё нет
stale-tills = Кассы, где ещё старая цена
price-on-till = Цена на кассе
price-should-be = Должна быть
price-will-be = Будет
till-price = Цена штрихкода сейчас
till-price-do = Показать
till-price-explained = По какой цене эта касса продаёт штрихкод, по ревизии, которую она подтвердила.
till-price-unknown = Неизвестно, что на этой кассе
till-price-old = старая цена
till-price-none = Ни эта касса, ни слои, которые она видит, не знают { $barcode }.
till-sells-not = не продаётся
barcode-or-code = Штрихкод или код

## Командная строка

cli-yes = да
cli-no = нет
cli-silent = сервер работает, но не отвечает по адресу { $socket }: возможно, он запускается; повторите
cli-unsettled = не удалось: { $failed } из { $total }
cli-faults = в настройках есть ошибки
cli-no-faults = { $place }: ошибок нет
cli-nothing-aside = ничего не отложено
cli-goods-more = Есть ещё: --after { $next }
cli-notices-seen = отмечено просмотренными: { $n }
cli-renamed = { $node } теперь называется { $name }
cli-moved = { $node } входит в { $parent } с ревизии { $revision }
cli-hangs-there = { $node } уже входит в { $parent }
cli-removed = удалён узел { $node }
cli-parked = касса { $till } теперь на ремонте
cli-unparked = касса { $till } вернулась с ремонта
cli-code-alike = код похож на код { $nodes }
cli-load-approved = загрузка { $load } выполняется как загрузка { $again }: `cash-server loads show { $again }`
cli-load-refused = загрузка { $load } отклонена; ничего не изменено
cli-acknowledged = замечания о кассе { $till } отмечены просмотренными
cli-went-past = теперь у всех касс должна быть ревизия { $revision }; { $till } получит всё целиком
cli-ordered = отправлено; что из этого вышло с { $command }, покажет `cash-server commands`
cli-under-way = такой же запрос уже выполняется
why-server-unreachable = сервер не отвечает по адресу { $socket }: он запущен? ({ $detail })
why-server-not-allowed = этому пользователю нельзя обращаться к серверу: сделайте это от имени root или пользователя, под которым он работает ({ $socket })
why-server-refuses = сервер отвечает { $status }: { $detail }
why-answer-unreadable = ответ сервера не читается, возможно, он другой версии: { $detail }
why-answer-broken-off = ответ сервера оборвался: { $detail }
why-connection-not-prepared = соединение с сервером не подготовить: { $detail }
why-threads-not-prepared = система не даёт потоков: { $detail }
why-already-running = уже запущено: с { $folder } работает процесс { $holder }; сначала остановите его или возьмите другую папку данных
why-data-not-locked = папку данных не заблокировать: { $detail }
cli-attach-code = На кассе { $till }, от имени root, до { $until }: sync-agent attach { $server } { $code }
cli-stolen = кассе { $till } доступ закрыт: то, что есть на её диске, больше ничего не открывает, за пять секунд оборвутся её соединения. Чеки, которых она не передала, есть только на её диске. Она на ремонте, пока вместо неё не подключат другую машину: cash-server attach-code for { $till }
cli-attach-code-ended = у кассы { $till } больше нет открытого кода

## Резервные копии

why-backup-key-fails = ключ резервных копий: { $detail }
why-backup-not-read = { $path } не читается: { $detail }
why-backup-not-written = { $path } не записать: { $detail }
why-backup-of-other-key = этот ключ не открывает { $path }: возьмите ключ сервера, который сделал копию ({ $detail })
why-backup-needs-key = { $path } зашифрована: укажите файл с ключом сервера (--key-file)
why-backup-damaged = { $path } повреждена: { $detail }; возьмите другую копию
why-no-backup = резервных копий ещё нет
why-backup-place-of-other = { $path } занято другим сервером: каждому нужна своя папка или свой префикс (backup.dir, backup.s3_prefix)
why-backup-store-settings = настройки хранилища не годятся: { $detail }
why-backup-store-denies = хранилище не разрешает этого серверу в { $path }: проверьте backup.s3_key_file и права этого ключа ({ $detail })
why-backup-no-bucket = для { $path } нет бакета: создайте его или укажите другой в backup.s3_bucket ({ $detail })
why-backup-store-fails = хранилище не делает того, что должно, в { $path }: { $detail }
why-restore-over-databases = в { $folder } уже есть базы: добавьте --replace, и они будут убраны в сторону, или назовите другую папку данных
why-restore-without-peers = нет файла { $path }: он говорит, какие кассы с тех пор удалены или получили новый ключ, без него они вернутся; если он потерян, добавьте --without-peers
cli-backup-failed = копия не сделана: { $reason }
cli-rehearsal-failed = копия не прошла пробу: { $reason }
cli-backup-made = сделана копия { $file } ({ $bytes } байт)
cli-backup-rehearsed = копия { $file } распакована, открыта и сверена: всё на месте, строк: { $rows }
cli-backup-same-disk = она лежит на одном диске с базами: скопируйте её на другую машину или задайте backup.dir
cli-backup-whole = копия { $file } цела: файлов { $files }, сервер `{ $server }` (cash-server { $version }), состояние на { $at }
cli-restored = восстановлено файлов: { $files }, сервер `{ $server }` (cash-server { $version }), состояние на { $at }, строк: { $rows }
cli-restored-aside = что было раньше, лежит в { $folder }
cli-restored-settings = настройки того сервера лежат в { $file }: сравните их со своими
cli-restored-without-peers = списка касс не было: проверьте, не вернулись ли удалённые
cli-restored-removed = кассы снова удалены, как и были с тех пор: { $tills }
cli-restored-without-token = кассы с тех пор получили новый ключ, он больше не действует, дайте ещё один (`cash-server till settings … --new-secret`): { $tills }
cli-restored-unknown = кассы заведены с тех пор, сервер их больше не знает, заведите заново: { $tills }
cli-restored-start = запустите сервер: кассы пришлют продажи, которых у него нет, и он продолжит с того, что есть у них
nav-audit = Кто что сделал
audit-explained = Каждое изменение, о котором кто-то попросил: на странице, по REST или в командной строке. Здесь ничего нельзя исправить.
audit-text = Текст внутри
audit-all = Все действия
audit-when = Когда
audit-what = Что
audit-object = С чем
audit-who = Кто
audit-face = Каким путём
audit-address = Откуда
audit-changed = Было → стало
audit-before = Было
audit-after = Стало
audit-nothing = ничего
audit-from = С этого дня
audit-to = По этот день
audit-of-it = всё о нём
audit-none = Ничего подходящего не сделано.
audit-newest = ↑ Новейшие
audit-older = Старше →
audit-cut = Это не всё: выберите меньше дней.
face-rest = программа по REST
face-page = страница
face-command-line = командная строка
face-within = сам сервер
audit-node-create = Узел создан
audit-node-rename = Узел переименован
audit-node-move = Узел перенесён
audit-node-remove = Узел удалён
audit-node-settings = Заданы настройки касс
audit-till-park = Касса отправлена на ремонт
audit-till-unpark = Касса возвращена с ремонта
audit-till-token = Новый секрет для кассы
audit-till-stolen = Касса закрыта как украденная или потерянная
audit-till-attach = Касса подключена по коду
audit-attach-code-make = Создан код подключения кассы
audit-attach-code-end = Код подключения кассы отменён
audit-till-unload = У кассы запрошены продажи
audit-till-verify = У кассы запрошен пересчёт
audit-till-send-anew = Кассе всё отправлено заново
audit-till-acknowledge = Состояние кассы принято к сведению
audit-till-go-past = Ревизии продолжены после той, что назвала касса
audit-aside-retry = Отложенное повторено
audit-aside-drop = Отложенное удалено
audit-load-approve = Задержанная загрузка одобрена
audit-load-refuse = Задержанная загрузка отклонена
audit-notices-see = Ошибки и предупреждения отмечены просмотренными
audit-finding-close = Замечание о продажах закрыто
audit-user-add = Пользователь добавлен
audit-user-change = Пользователь изменён
audit-user-remove = Пользователь удалён
audit-user-password = Пароль задан
audit-user-link = Создана ссылка для задания пароля
audit-session-begin = Вход
audit-session-end = Сеансы завершены
audit-key-add = Создан ключ программы
audit-key-remove = Ключ программы удалён
upload = Отправить файл
upload-explained = Товары и цены в формате AIF. Пока ничего не изменится: следующая страница покажет, что сделает файл, и спросит.
upload-file = Файл
upload-do = Отправить и посмотреть
audit-load-upload = Отправлен файл для загрузки
why-asked-first = файл отправлен, чтобы сначала увидеть, что он сделает
why-uploads-busy = уже принимается файлов: { $max }; отправьте снова чуть позже
why-upload-empty = файл не выбран или пуст
why-upload-too-large = файл больше { $max_bytes } байт: отправьте его частями или увеличьте aif.body_limit_mib в настройках сервера
why-upload-cut-off = файл пришёл не целиком: отправьте его снова
why-upload-encoding = файл не в той кодировке, что файлы этого сервера: { $reason }
why-upload-not-kept = сервер не может сохранить файл ({ $detail }): освободите место на диске и отправьте его снова
why-would-add-some = новое, например: { $objects }
why-would-change-some = изменится, например: { $objects }
why-would-delete-some = удалится, например: { $objects }
audit-by-itself = и сервер с кассами
held-nothing-yet = Пока ничего не изменено: скажите «да» или «нет».
held-for = Что она сделает и почему спрашивает
sent-by-page = { $file }, отправлен на странице
load-carried-out = выполнена

# Настройки касс.
settings = Настройки
settings-show = Настройки касс этого места
settings-node-explained = Действуют для всех касс этого места и ниже, если ниже не задано своё. Что никто не задал, решает сама касса.
settings-till-explained = Заданное здесь важнее заданного в магазине и группах. Что никто не задал, стоит в её собственном cash.ini.
settings-not-told = Её агент не сообщает, что у него стоит: он старый или ещё не выходил на связь.
settings-empty-means = Пустое поле: здесь ничего не задано. Касса на связи получит сохранённое за секунды, остальные — когда вернутся.
settings-save = Сохранить настройки
setting = Настройка
setting-value = Значение
setting-set-by = Кем задано
setting-on-till = На кассе
setting-here = Задать здесь
setting-by-nobody = никем: по умолчанию
setting-on-its-way = ещё нет
setting-as-above = как выше: { $value }
setting-range = от { $least } до { $most }
setting-of-actualcountdaysforbackupfiles = Сколько дней хранятся копии переданных данных
setting-of-addressundoperiod = Сколько секунд может молчать новый адрес сервера
setting-of-brokerconnectionheartbeat = Секунд между проверками связи с брокером; 0: как решит агент
setting-of-contactperiod = Секунд между сообщениями, что касса работает
setting-of-isdebugdictstatussend = Сообщает о каждом шаге загрузки
setting-of-isdebugsalestatussend = Сообщает о передаче продаж
setting-of-maxcountbackupfiles = Сколько хранится копий переданных данных
setting-of-queuechunksize = Объектов в одном сообщении очереди
setting-of-unloadperiod = Секунд между передачами продаж; 0: при закрытии смены и по запросу
setting-of-unloadsalesrequestthroughcs = При закрытии смены просит сервер запросить продажи
setting-of-usequeueinupload = Пакеты проходят через её очередь

did-node-settings = Заданы настройки
event-order-settings = Сообщены настройки
why-unknown-setting = `{ $key }` — не та настройка кассы, которую можно задать здесь; можно: { $keys }
why-setting-no-flag = { $key } задано как `{ $value }`: допустимо True или False
why-setting-no-number = { $key } задано как `{ $value }`: допустимо целое число от { $least } до { $most }

# Ещё действия со многими кассами.
bulk-more = Перенести, задать настройку, выдать коды
bulk-act-send-anew = Отправить всё заново
bulk-act-move = Перенести
bulk-act-settings = Задать настройку
bulk-act-codes = Новые коды
bulk-move-to = В магазин
bulk-code-hours = Сколько часов действуют
bulk-ask-send-anew = { $n ->
    [one] Отправить { $n } кассе всё заново?
    [few] Отправить { $n } кассам всё заново?
   *[other] Отправить { $n } кассам всё заново?
 }
bulk-ask-move = { $n ->
    [one] Перенести { $n } кассу в { $shop }?
    [few] Перенести { $n } кассы в { $shop }?
   *[other] Перенести { $n } касс в { $shop }?
 }
bulk-ask-settings = { $n ->
    [one] Задать { $setting } = { $value } для { $n } кассы?
    [few] Задать { $setting } = { $value } для { $n } касс?
   *[other] Задать { $setting } = { $value } для { $n } касс?
 }
bulk-ask-codes = { $n ->
    [one] Выдать новый код { $n } кассе?
    [few] Выдать новые коды { $n } кассам?
   *[other] Выдать новые коды { $n } кассам?
 }
bulk-means-send-anew = Каждая ещё раз получит весь справочник, продажи при этом идут. Много касс сразу займут сеть.
bulk-means-move = Перенос меняет то, что они продают: у них будут товары и цены нового магазина.
bulk-means-settings = Это важнее заданного в магазинах и группах. Касса на связи получит это за секунды.
bulk-means-codes = Коды придут файлом один раз: сервер их не хранит. Прежние открытые коды этих касс закончатся.
bulk-did-send-anew = { $n ->
    [one] { $n } кассе всё отправляется заново.
    [few] { $n } кассам всё отправляется заново.
   *[other] { $n } кассам всё отправляется заново.
 }
bulk-did-move = { $n ->
    [one] Перенесена { $n } касса.
    [few] Перенесены { $n } кассы.
   *[other] Перенесено { $n } касс.
 }
bulk-did-settings = { $n ->
    [one] Настройка задана { $n } кассе.
    [few] Настройка задана { $n } кассам.
   *[other] Настройка задана { $n } кассам.
 }
bulk-did-codes = { $n ->
    [one] Код выдан { $n } кассе.
    [few] Коды выданы { $n } кассам.
   *[other] Коды выданы { $n } кассам.
 }
bulk-fails = не получится
bulk-would-fail = { $n ->
    [one] Для { $n } это не получится.
    [few] Для { $n } это не получится.
   *[other] Для { $n } это не получится.
 }
code-until = Действует до
setting-none = ничего своего
did-till-send-anew = Всё отправлено заново

why-no-bulk-act = `{ $act }` нельзя сделать со многими кассами, или не хватает нужного: park, unpark, ask, ask-days (с `from`), recount, send-anew, move (с `shop`), settings (с `settings`), codes
why-no-condition = `{ $text }` — не состояние кассы: trouble, sales-wait, silent, never-heard-of, behind, current, parked
cli-say-yes = ничего не сделано, касс или записей: { $total }; добавьте --yes, чтобы сделать, или --dry-run, чтобы только посмотреть
cli-sent-anew = { $till }: всё отправляется заново

# Столбцы и свои виды списка.
columns = Столбцы
columns-show = Показать эти
views = Мои виды
view-save = Сохранить этот вид
view-name = Название
views-remove = Удалить вид
view-remove = Удалить { $view }

# Файл загрузки.
load-file = Файл, как пришёл
load-file-until = хранится до { $until }, меньше, если файлов много
load-file-waits = хранится, пока загрузка ждёт решения
load-file-gone = (уже) не хранится
why-load-file-not-kept = файл загрузки { $load } (уже) не хранится: файлы хранятся { $days } дней, меньше, если их много
why-load-file-unreadable = файл загрузки { $load } не читается: { $detail }
why-downloads-busy = сейчас читаются другие файлы: повторите через минуту

# Что отложено и кого называют чеки.
cashier-name = Имя кассира
unit-is-cut = Это только начало.
unit-not-here = У сервера нет содержимого: оно есть только на кассе.
cli-finding-closed = замечание { $finding } закрыто
why-too-many-items = товаров с названием `{ $text }` больше { $max }: назовите его точнее или укажите код
